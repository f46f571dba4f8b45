"""Models by `module:function`, settings of their training, and the small vision transformer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.compute.timed_training import silent
from tasks.datasets.dataset import Dataset, LabelledImages
from tasks.errors import InvalidValue
from tasks.models import build_model, check_model, find_recipe, model_class
from tasks.models.checkpoint import hash_weights
from tasks.models.recipe_settings import read_settings, spell_settings
from tasks.recipe import Recipe
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED
from tasks.shadows.models import train as train_shadow
from tasks.shadows.study import load_repeats
from tasks.task import Task
from tasks.trial import run_trial
from tasks.unlearners.finetuning.finetune import Finetune
from tasks.workbench import Workbench

CPU = torch.device("cpu")
OWN = """
import torch
from torch import nn

from tasks.recipe import Recipe


def mlp(channels, classes, sides):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * sides[0] * sides[1], 32), nn.LayerNorm(32), nn.ReLU(),
        nn.Linear(32, classes),
    )


mlp.recipe = Recipe(epochs=3, batch_size=32, lr=0.1)


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.last = nn.Linear(channels * 64, classes)

    def forward(self, x):
        return self.last(self.norm(x).flatten(1))


def headless(channels, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes + 1))


def narrow(channels, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3, classes))


def dropping(channels, classes):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * 64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, classes)
    )


dropping.recipe = Recipe(epochs=2, batch_size=32, lr=0.1)


class Idle(Net):
    def __init__(self, channels, classes):
        super().__init__(channels, classes)
        self.scale = nn.Parameter(torch.ones(classes))
        self.frozen = nn.Parameter(torch.ones(classes), requires_grad=False)


def number(channels, classes):
    return 3
"""


@pytest.fixture(scope="module", autouse=True)
def own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A module of the user's own on the path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_nets.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import own_nets  # noqa: F401


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    """The first digits."""
    part = LabelledImages(digits.train.images[:300], digits.train.labels[:300])
    return dataclasses.replace(digits, train=part)


def test_a_function_s_module_is_trained_by_its_recipe_and_settings(
    few: Dataset, tmp_path: Path
) -> None:
    task = Task.named("digits-class:1", "own_nets:mlp", recipe="epochs=2")
    bench = Workbench(task, few, tmp_path, CPU)
    assert bench.fresh_model().recipe == Recipe(epochs=2, batch_size=32, lr=0.1)
    artifact = bench.artifact(ORIGINAL)
    assert artifact.record is not None
    assert artifact.record.gradient_samples == 2 * 300
    assert set(artifact.state) >= {"body.1.weight", "body.4.bias"}
    assert bench.outputs(bench.model(artifact)[0]).retain.correct.mean() > 0.5


def test_its_weights_are_drawn_by_the_seed_as_its_constructor_draws_them(few: Dataset) -> None:
    model, states = build_model("own_nets:mlp", few, CPU), []
    before = torch.get_rng_state()
    for seed in (0, 0, 1):
        model.initialise(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(seed))
        states.append(model.head.weight.detach().clone())
        bound = float(model.body[1].weight.detach().abs().max())
        assert bound <= 1 / 8, "that of torch's own: 64 ** -.5"
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    model.reset(model.head, torch.Generator().manual_seed(5))
    assert not torch.equal(model.head.weight, states[2])
    assert torch.equal(torch.get_rng_state(), before), "torch's own generator is left alone"


def test_dropout_is_drawn_by_the_seed_of_a_training(few: Dataset, tmp_path: Path) -> None:
    """Also of references, of needs and of shadow models; it was drawn from torch's own generator as it stood."""
    found: list[dict[str, str]] = []
    for turn in range(2):
        torch.manual_seed(turn)
        task = Task.named("digits-random:0.1", "own_nets:dropping")
        bench = Workbench(task, few, tmp_path / str(turn), CPU)
        before = torch.get_rng_state()

        def disturb(*_: object) -> None:
            torch.rand(1)

        roles = (ORIGINAL, RETRAINED, "shards", "update_log")
        states = {role: bench.artifact(role, disturb).state for role in roles}
        states["shadow-0"] = train_shadow(bench, "shadow-0", 8).state
        found.append({role: hash_weights(state) for role, state in states.items()})
        assert not torch.equal(torch.get_rng_state(), before), "it was disturbed on the way"
        before = torch.get_rng_state()
        bench.artifact("reference-1")
        assert torch.equal(torch.get_rng_state(), before), "nothing leaks out"
    assert found[0] == found[1]


def test_dropout_is_drawn_by_the_seed_of_a_trial(few: Dataset, tmp_path: Path) -> None:
    """Whatever else draws between its points, and however its points are measured."""
    task = Task.named("digits-random:0.1", "own_nets:dropping")
    bench, found = Workbench(task, few, tmp_path, CPU), []
    use_references(bench, 2)
    asked = ["relearn_gap_tenth", "ain"]
    for turn, seed in enumerate((0, 0, 1)):
        bench._known.clear()
        torch.manual_seed(turn)
        for point in run_trial(bench, Finetune(epochs=3), seed, asked=asked):
            torch.rand(turn + 1)
            metrics = point.metrics
        assert point.model is not None
        found.append((hash_weights(point.model.state_dict()), metrics))
        before = torch.get_rng_state()
        [*run_trial(bench, Finetune(epochs=1), seed)]
        assert torch.equal(torch.get_rng_state(), before), "nothing leaks out"
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_dropout_is_drawn_by_the_seed_where_a_method_chooses_or_shadows_unlearn(
    few: Dataset, tmp_path: Path
) -> None:
    chosen, said = [], []
    for turn in range(2):
        torch.manual_seed(turn)
        task = Task.named("digits-worst:finetune:30", "own_nets:dropping")
        bench = Workbench(task, few, tmp_path / str(turn), CPU)
        chosen.append(bench.choice.mask)
        said.append(load_repeats(bench, Finetune(epochs=1), 0, 1, silent))
    np.testing.assert_array_equal(chosen[0], chosen[1])
    np.testing.assert_array_equal(said[0], said[1])


def test_a_class_of_modules_is_taken_as_well(few: Dataset) -> None:
    model = build_model("own_nets:Net", few, CPU)
    model.initialise(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0))
    assert [n for n, _ in model.named_parameters()] == [
        "body.norm.weight", "body.norm.bias", "body.last.weight", "body.last.bias",
    ]  # fmt: skip
    check_model("own_nets:Net", few)


def test_the_user_s_file_is_in_the_key() -> None:
    import own_nets

    from tasks.models.network import Network
    from tasks.task import files_of

    files = {Path(file).name for file in files_of(model_class("own_nets:mlp")[0], Network)}
    assert files == {"own.py", Path(own_nets.__file__).name}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("own_nets:number", "returns int, not a torch.nn.Module"),
        ("own_nets:headless", "must end in a torch.nn.Linear with 10 outputs"),
        ("own_nets:narrow", r"fails on images \(1, 8, 8\): RuntimeError"),
        ("own_nets:Idle", "own_nets:Idle gives outputs that do not depend on scale: "),
        ("own_nets:torch", "is not a subclass of"),
    ],
)
def test_a_function_of_another_kind_is_one_line(model: str, said: str, few: Dataset) -> None:
    with pytest.raises(InvalidValue, match=said) as raised:
        check_model(model, few)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "not of the form NAME=VALUE; names: epochs, batch_size, lr"),
        ("epoch=3", r"unknown setting of --recipe 'epoch' \(did you mean epochs\?\)"),
        ("epochs=0", "epochs=0 is out of range: at least 1"),
        ("epochs=1.5", "epochs=1.5 is not an int"),
        ("momentum=1", "momentum=1 is out of range: below 1"),
        ("lr=0", "lr=0 is out of range: above 0"),
        ("lr=.1,lr=.2", "names lr twice"),
    ],
)
def test_a_wrong_setting_is_one_line(text: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        read_settings(text)


def test_settings_have_one_spelling_and_are_in_the_keys(digits: Dataset) -> None:
    assert spell_settings(" lr=.10, epochs=5,lookahead=TRUE") == "epochs=5,lookahead=true,lr=0.1"
    plain = Task.named("digits-class:1")
    one, other = (
        Task.named("digits-class:1", recipe=text) for text in ("lr=.2,epochs=9", "epochs=9,lr=0.20")
    )
    assert one == other
    assert one.key(digits) != plain.key(digits)
    same = Task.named("digits-class:1", recipe="epochs=20")
    assert same.key(digits) == plain.key(digits), (
        "a setting that the family has already changes nothing"
    )
    assert find_recipe("small-cnn", "epochs=9,lr=.2") == dataclasses.replace(
        find_recipe("small-cnn"), epochs=9, lr=0.2
    )


def test_the_vit_s_attention_is_that_of_torch() -> None:
    from tasks.models.vit import DIM, HEADS, Block

    rng = torch.Generator().manual_seed(0)
    block, x = Block().double(), torch.randn(2, 5, DIM, generator=rng, dtype=torch.float64)
    known = torch.nn.MultiheadAttention(DIM, HEADS, bias=True, batch_first=True).double()
    with torch.no_grad():
        known.in_proj_weight.copy_(block.qkv.weight)
        known.in_proj_bias.copy_(block.qkv.bias)
        known.out_proj.weight.copy_(block.mix.weight)
        known.out_proj.bias.copy_(block.mix.bias)
    torch.testing.assert_close(block.mix(block._attend(x)), known(x, x, x)[0])


@pytest.mark.parametrize("sides", [(4, 4), (8, 8), (28, 28), (32, 32), (24, 48)])
def test_the_vit_fits_the_images_that_it_is_built_for(sides: tuple[int, int]) -> None:
    model = model_class("vit")[0](1, 3, sides=sides)
    model.initialise(torch.zeros(1, 1, *sides), torch.Generator().manual_seed(0))
    assert model(torch.zeros(2, 1, *sides)).shape == (2, 3)
