"""Known answers of the methods that need more of the training than the original's weights."""

from __future__ import annotations

import pytest
import torch

from tasks.errors import InvalidValue
from tasks.needs.base import pick_state
from tasks.needs.checkpoints import check_same
from tasks.roles import ORIGINAL
from tasks.training import train_model
from tasks.trial import run_trial
from tasks.unlearners.base import Unlearner
from tasks.unlearners.training_time.r2d import RewindToDelete
from tasks.workbench import Workbench

State = dict[str, torch.Tensor]


def after(bench: Workbench, unlearner: Unlearner) -> State:
    """The state of the model when a method has ended."""
    problem, _ = bench.problem(unlearner, 0)
    assert len(list(unlearner.unlearn(problem))) == 1
    return problem.model.state_dict()


def same(a: State, b: State) -> bool:
    """Whether two states are equal bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


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
