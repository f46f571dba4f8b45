"""Known answers of the methods that need more of the training than the original's weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_problem import CPU, LinearModel, images_of, same

from tasks.datasets.splits import ResidentSource
from tasks.errors import InvalidValue
from tasks.needs.base import Need, Origin, pick_state
from tasks.needs.checkpoints import check_same
from tasks.needs.update_log import UpdateLog
from tasks.recipe import Recipe
from tasks.roles import ORIGINAL
from tasks.training import train_model
from tasks.trial import run_trial
from tasks.unlearners.base import Unlearner
from tasks.unlearners.training_time.amnesiac import Amnesiac, undo_updates
from tasks.unlearners.training_time.r2d import RewindToDelete
from tasks.workbench import Workbench

State = dict[str, torch.Tensor]


def after(bench: Workbench, unlearner: Unlearner) -> State:
    """The state of the model when a method has ended."""
    problem, _ = bench.problem(unlearner, 0)
    assert len(list(unlearner.unlearn(problem))) == 1
    return problem.model.state_dict()


def test_checkpoints_are_states_of_the_originals_training(bench: Workbench) -> None:
    """After four and eight of twenty epochs, of a training that is done once more here."""
    kept, model = bench.artifact("checkpoints").state, bench.fresh_model()
    everything = torch.cat([bench.retain.indices, bench.forget.indices]).sort().values
    split = bench.retain._with(everything)
    steps = train_model(model, split, bench.generator(bench.task.seed))
    for fifth in ("1", "2"):
        for _ in range(4):
            next(steps)
        assert same(pick_state(kept, fifth), model.state_dict())
    assert {name.partition("/")[0] for name in kept} == {"1", "2", "3", "4"}


def test_checkpoints_of_another_original_are_refused(bench: Workbench) -> None:
    """One bit is enough: hardware that rounds differently gave the stored one."""
    model, _ = bench.model(bench.artifact(ORIGINAL))
    check_same(model, bench.artifact(ORIGINAL).state)
    with torch.no_grad():
        model.head.bias[0].nextafter_(torch.tensor(9.0))
    with pytest.raises(InvalidValue, match="trained again, is not the stored one"):
        check_same(model, bench.artifact(ORIGINAL).state)


def test_rewinding_nothing_is_the_original(bench: Workbench) -> None:
    assert same(after(bench, RewindToDelete(rewind=0)), bench.artifact(ORIGINAL).state)


def test_rewinding_without_steps_is_the_checkpoint(bench: Workbench) -> None:
    """A learning rate of 0 leaves the weights; BatchNorm's statistics follow what is read."""
    found = after(bench, RewindToDelete(rewind=3, lr=0.0))
    earlier = pick_state(bench.artifact("checkpoints").state, "2")
    weights = {name for name, _ in bench.fresh_model().named_parameters()}
    assert all(torch.equal(found[name], earlier[name]) for name in weights)


def test_noise_of_the_rewound_model_has_its_deviation(bench: Workbench) -> None:
    plain, noisy = (after(bench, RewindToDelete(rewind=0, sigma=s)) for s in (0.0, 0.05))
    names = [name for name, _ in bench.fresh_model().named_parameters()]
    noise = torch.cat([(noisy[name] - plain[name]).flatten() for name in names])
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05)
    assert abs(float(noise.mean())) < 5 * 0.05 / len(noise) ** 0.5


def origin_of(forget: list[int], batch_size: int) -> Origin:
    """The training of a linear model in float64 on twelve made-up examples, by SGD without momentum."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (12, 3), dtype=np.uint8)
    _, dataset = images_of(rows, list(rng.integers(0, 3, 12)), 3)

    def make() -> LinearModel:
        model = LinearModel(3, 3)
        model.recipe = Recipe(epochs=3, batch_size=batch_size, lr=0.1, momentum=0.0)  # type: ignore[misc]
        return model

    origin = Origin(ResidentSource(dataset.train, CPU), dataset, torch.tensor(forget), 0, {}, make)
    trained = make()
    list(train_model(trained, origin.everything(), origin.generator()))
    return replace(origin, weights=trained.state_dict())


def prepare(need: Need, origin: Origin) -> State:
    """Train a need to its end."""
    steps = need.prepare(origin)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_full_log_taken_back_gives_the_initial_weights() -> None:
    origin = origin_of(list(range(12)), batch_size=5)
    log, first, rng = prepare(UpdateLog(), origin), origin.make_model(), origin.generator()
    first.initialise(origin.everything().sample(1000, rng), rng)
    for name, weight in first.named_parameters():
        assert not torch.equal(origin.weights[name], weight)
        torch.testing.assert_close(
            origin.weights[name] - log[name], weight.data, rtol=0, atol=1e-12
        )


def test_the_logs_of_two_sets_add_up_to_the_training_where_batches_are_single_examples() -> None:
    gone, kept = [1, 4, 7], [0, 2, 3, 5, 6, 8, 9, 10, 11]
    parts = [prepare(UpdateLog(), origin_of(chosen, batch_size=1)) for chosen in (gone, kept)]
    whole = prepare(UpdateLog(), origin_of(gone + kept, batch_size=1))
    for name, total in whole.items():
        assert parts[0][name].abs().max() > 1e-3
        torch.testing.assert_close(parts[0][name] + parts[1][name], total, rtol=0, atol=1e-12)


def test_amnesiac_first_takes_the_log_back(bench: Workbench) -> None:
    problem, _ = bench.problem(Amnesiac(), 0)
    undo_updates(problem)
    log, start = bench.artifact("update_log").state, bench.artifact(ORIGINAL).state
    assert set(log) == {name for name, _ in problem.model.named_parameters()}
    for name, tensor in problem.model.state_dict().items():
        assert torch.equal(tensor, start[name] - log[name] if name in log else start[name])


def test_a_log_is_of_a_forget_set_and_checkpoints_are_of_none(
    bench: Workbench, random_bench: Workbench
) -> None:
    assert bench.key("checkpoints") == random_bench.key("checkpoints")
    assert bench.key("update_log") != random_bench.key("update_log")


def test_what_was_prepared_costs_a_training_on_all_data(bench: Workbench) -> None:
    """It is shown beside the cost of the method itself; fine-tuning has none."""
    *_, point = run_trial(bench, RewindToDelete(rewind=1), 0)
    share = (len(bench.retain) + len(bench.forget)) / len(bench.retain)
    assert point.cost.preparation_cost == pytest.approx(share)
    assert point.cost.gradient_samples == 4 * len(bench.retain)


def test_only_what_a_method_declares_is_prepared_for_it(bench: Workbench) -> None:
    problem, _ = bench.problem(Unlearner(), 0)
    with pytest.raises(InvalidValue, match=r"'checkpoints' is not prepared.*ask for nothing$"):
        problem.prepared("checkpoints")
