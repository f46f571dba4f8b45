"""The options of gradient methods: a mask and sharpness awareness, for every method that offers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import torch
from tiny_problem import linear_problem
from tiny_problem import run as states

from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.problem import Problem
from tasks.roles import ORIGINAL
from tasks.search_space import Float, parameters, search_space
from tasks.unlearners import UNLEARNERS, unlearner_class
from tasks.unlearners.base import SGDUnlearner, Unlearner, cross_entropy, step, trainable
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.unlearners.finetuning.prune_finetune import PruneFinetune
from tasks.unlearners.passes import Sizes
from tasks.unlearners.relabelling.boundary_shrink import BoundaryShrink
from tasks.unlearners.relabelling.l2ul import LearningToUnlearn
from tasks.unlearners.relabelling.random_labels import RandomLabels
from tasks.unlearners.relabelling.salun import SalUn
from tasks.unlearners.steps.masks import prune_smallest, salient_masks
from tasks.workbench import Workbench


def offering(option: str) -> list[str]:
    """Names of the registered methods that have an option."""
    return [name for name in UNLEARNERS if option in parameters(unlearner_class(name))]


GRADIENT_METHODS = [n for n in UNLEARNERS if issubclass(unlearner_class(n), SGDUnlearner)]
CHEAP: dict[str, Any] = {
    "epochs": 1, "retain_share": 0.2, "weight_decay": 1e-2, "lr": 1e-2, "attack_steps": 10,
}  # fmt: skip


def made(name: str, **options: Any) -> Unlearner:
    """A cheap run of a registered method, with weight decay where it has it."""
    cls = unlearner_class(name)
    return cls.from_params({k: v for k, v in CHEAP.items() if k in parameters(cls)} | options)


def run(bench: Workbench, unlearner: Unlearner, seed: int = 0) -> tuple[Network, int]:
    """The model after `unlearner`, and its gradient samples."""
    problem, meter = bench.problem(unlearner, seed)
    for _ in unlearner.unlearn(problem):
        pass
    return problem.model, meter.gradient_samples


def same(a: Network, b: Network) -> bool:
    """Whether weights and statistics are equal to the last bit."""
    return all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def original(bench: Workbench) -> Network:
    """A fresh copy of the original model."""
    return bench.model(bench.artifact(ORIGINAL))[0]


@pytest.fixture
def given(bench_for: Callable[[str, str], Workbench], name: str) -> Workbench:
    """Forget every training scan of a one, with what the method needs."""
    return bench_for("digits-class:1", name)


def test_most_gradient_methods_offer_both() -> None:
    """An empty list would pass every test below."""
    assert len(offering("mask")) > 20
    assert len(offering("sam")) > 25
    assert set(offering("mask")) | set(offering("sam")) <= set(GRADIENT_METHODS)
    assert offering("mask") == offering("mask_share")


@pytest.mark.parametrize("name", GRADIENT_METHODS)
def test_options_are_off_never_searched_and_then_in_no_row(name: str) -> None:
    """What was stored before there were options keeps its content key."""
    unlearner = unlearner_class(name)()
    assert not {"mask", "mask_share", "sam"} & {*search_space(type(unlearner)), *unlearner.params}
    assert (unlearner.mask, unlearner.sam) == ("none", 0.0)  # type: ignore[attr-defined]


def test_options_that_are_on_are_published_and_come_back() -> None:
    unlearner = Finetune.from_params({"mask": "saliency", "sam": 0.05})
    assert {"mask": "saliency", "sam": 0.05}.items() <= unlearner.params.items()
    assert "mask_share" not in unlearner.params
    assert Finetune.from_params(unlearner.params) == unlearner
    stored = {k: v for k, v in Finetune().params.items() if k in ("lr", "epochs", "momentum")}
    assert Finetune.from_params(stored) == Finetune()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("mask", "salience", r"mask=salience is out of range: a str in none\|saliency\|magnitude"),
        ("mask_share", "0", r"mask_share=0.0 is out of range: a float in 0\.01\.\.1"),
        ("sam", "-1", r"sam=-1.0 is out of range: a float in 0\.\.10"),
    ],
)
def test_a_bad_option_is_one_line_that_names_the_valid_ones(
    name: str, text: str, says: str
) -> None:
    with pytest.raises(InvalidValue, match=f"^{says}$"):
        parameters(Finetune)[name].parse(text)


@pytest.mark.parametrize("name", offering("mask"))
@pytest.mark.parametrize("kind", ["saliency", "magnitude"])
def test_masked_weights_keep_every_bit(name: str, kind: str, given: Workbench) -> None:
    """With momentum, weight decay and a perturbation: what no mask marks is as at θ0, or pruned."""
    sam = {"sam": 0.1} if name in offering("sam") else {}
    unlearner = made(name, mask=kind, mask_share=0.3, epochs=2, **sam)
    start = original(given)
    masks = (
        salient_masks(start, given.forget.ordered(unlearner.batch_size), 0.3)  # type: ignore[attr-defined]
        if kind == "saliency"
        else prune_smallest(start, 0.3)
    )
    model, _ = run(given, unlearner)
    now, before = dict(model.named_parameters()), dict(start.named_parameters())
    assert all(torch.equal(now[n][~mask], before[n][~mask]) for n, mask in masks.items())
    assert any((now[n][mask] != before[n][mask]).any() for n, mask in masks.items())


@pytest.mark.parametrize("name", offering("mask"))
def test_a_mask_that_marks_everything_is_none(name: str, given: Workbench) -> None:
    masked, plain = made(name, mask="saliency", mask_share=1.0), made(name)
    assert same(run(given, masked)[0], run(given, plain)[0])


@pytest.mark.parametrize("name", offering("sam"))
def test_a_perturbation_changes_the_weights_a_little_and_moves_statistics_as_often(
    name: str, given: Workbench
) -> None:
    aware, plain = (run(given, made(name, sam=sam))[0] for sam in (0.05, 0.0))
    assert not same(aware, plain)
    assert all(torch.isfinite(w).all() for w in trainable(aware))
    updates = [
        [int(b) for n, b in m.named_buffers() if n.endswith("num_batches_tracked")]
        for m in (aware, plain)
    ]
    assert updates[0] == updates[1]


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in offering("sam")
        if unlearner_class(n).passes.exact and unlearner_class(n).preparation.exact
    ],
)
def test_estimates_count_what_the_options_read(name: str, given: Workbench) -> None:
    """A mask reads the forget set once more; each step reads its batch twice."""
    masked = {"mask": "saliency"} if name in offering("mask") else {}
    unlearner = made(name, sam=0.05, epochs=2, **masked)
    _, samples = run(given, unlearner)
    sizes = Sizes(
        len(given.retain),
        len(given.forget),
        given.fresh_model().recipe.epochs,
        len(given.calibration),
    )
    rounding = 2 * max(
        2.0, unlearner.params["batch_size"] / 2 if type(unlearner).passes.beside else 0
    )
    declared = type(unlearner).count_samples(sizes, unlearner.params)
    assert samples == pytest.approx(declared, abs=unlearner.params.get("epochs", 1) * rounding)
    assert (
        declared
        > type(unlearner).count_samples(sizes, made(name).params) + bool(masked) * sizes.forget
    )


@pytest.mark.parametrize("share", [0.3, 0.75])
def test_salun_is_random_labels_with_a_saliency_mask(share: float) -> None:
    """SalUn's own mask reads the forget set in a shuffled order."""
    problems = [linear_problem(), linear_problem()]
    torch.randperm(len(problems[1].forget), generator=problems[1].rng)
    some = {"lr": 0.02, "epochs": 2}
    salun = SalUn(salient_share=share, **some)  # type: ignore[arg-type]
    masked = RandomLabels(mask="saliency", mask_share=share, exclude_true=False, **some)  # type: ignore[arg-type]
    ends = [states(u, p)[-1] for u, p in zip((salun, masked), problems, strict=True)]
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-10)
    assert 0 < (ends[0] != states(salun, linear_problem())[0]).float().mean() < share + 0.01


def test_finetune_with_a_magnitude_mask_is_prune_finetune(bench: Workbench) -> None:
    some = {"lr": 0.05, "epochs": 2, "retain_share": 0.3}
    pruned, _ = run(bench, PruneFinetune(sparsity=0.9, **some))  # type: ignore[arg-type]
    masked, _ = run(bench, Finetune(mask="magnitude", mask_share=1 - 0.9, **some))  # type: ignore[arg-type]
    assert same(pruned, masked)


@pytest.mark.parametrize(("cls", "looks"), [(BoundaryShrink, 1), (LearningToUnlearn, 0)])
def test_looks_within_an_epoch_are_not_read_twice(
    cls: type[SGDUnlearner], looks: int, bench: Workbench
) -> None:
    """The adversarial images of boundary-shrink take a gradient of the teacher, and no step."""
    sizes, values = Sizes(1000, 100, 20), {**cls().params, "epochs": 1}
    plain, aware = (cls.count_samples(sizes, {**values, "sam": sam}) for sam in (0.0, 0.1))
    steps = plain - cls.preparation.count(sizes, values) - looks * 100
    assert aware - plain == steps


@dataclass(frozen=True)
class FromBefore(SGDUnlearner):
    """Written against `self.optimizer(model)` and `step(optimizer, loss)` alone."""

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields per epoch."""
        optimizer = self.optimizer(problem.model)
        for _ in self.epochs_of(problem.model):
            for x, y in self.retain_batches(problem):
                step(optimizer, cross_entropy(problem.model(x), y))
            yield


@dataclass(frozen=True)
class Sharp(Finetune):
    """A method in which an option is searched, with another default."""

    sam: Annotated[float, Float(0.01, 1.0, log=True)] = 0.1
    """Radius."""


def test_a_plug_in_from_before_works_and_refuses_options_that_it_does_not_heed(
    bench: Workbench,
) -> None:
    cheap = {"epochs": 1, "retain_share": 0.2}
    assert same(run(bench, FromBefore(**cheap))[0], run(bench, Finetune(**cheap))[0])  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"mask=saliency: FromBefore hands .* valid: none"):
        run(bench, FromBefore(mask="saliency", **cheap))  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"sam=0\.1: .* valid: 0"):
        run(bench, FromBefore(sam=0.1, **cheap))  # type: ignore[arg-type]


def test_a_subclass_may_search_an_option(bench: Workbench) -> None:
    assert "sam" in search_space(Sharp)
    assert Sharp().params["sam"] == 0.1
    sizes = Sizes(1000, 100, 20)
    assert Sharp.count_samples(sizes, Sharp().params) == 2 * Finetune.count_samples(
        sizes, Finetune().params
    )
    cheap = {"epochs": 1, "retain_share": 0.2}
    aware = Finetune(sam=0.1, **cheap)  # type: ignore[arg-type]
    assert same(run(bench, Sharp(**cheap))[0], run(bench, aware)[0])  # type: ignore[arg-type]
