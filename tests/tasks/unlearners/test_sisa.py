"""Known answers of SISA: what is retrained, what is not, what it costs, and how the members are heard together."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from tiny_problem import same

from tasks.models.ensemble import join_members
from tasks.models.network import Network
from tasks.needs.base import pick_state
from tasks.needs.clustered_shards import fill_clusters, find_balanced_clusters
from tasks.needs.shards import Shards, read_slices, stage_epochs
from tasks.problem import Problem
from tasks.recipe import Recipe
from tasks.unlearners.exact.retrain import Retrain
from tasks.unlearners.training_time.sisa import ClusteredSisa, Sisa, deal_new, make_member
from tasks.workbench import Workbench

State = Mapping[str, torch.Tensor]
NONE = torch.empty(0, dtype=torch.int64)
"""No new examples."""


class OneShard(Shards):
    """The whole data set as one shard of one slice."""

    shards = 1
    slices = 1


class SisaOfOne(Sisa):
    """SISA that is a plain training."""

    needs = frozenset({"test_sisa:OneShard"})


def after(bench: Workbench, unlearner: Sisa | Retrain) -> Network:
    """The model when a method has ended."""
    problem, _ = bench.problem(unlearner, 0)
    list(unlearner.unlearn(problem))
    return problem.model


def forgetting(problem: Problem, indices: torch.Tensor) -> Problem:
    """The same problem with other examples to be forgotten, by their indices among the training images."""
    everything = problem.retain.joined(problem.forget)
    gone = torch.isin(everything.indices, indices)
    kept, chosen = (everything.at(torch.nonzero(marked)[:, 0]) for marked in (~gone, gone))
    kept = kept.at(kept.indices.argsort())
    return replace(problem, retain=kept, forget=chosen)


@pytest.mark.parametrize("epochs", [1, 8, 20])
@pytest.mark.parametrize("slices", [1, 2, 5, 20])
def test_stages_read_as_much_as_one_training(epochs: int, slices: int) -> None:
    """Up to the rounding of epochs: a stage may be one epoch off, which lasts at most as long as a whole pass."""
    lengths = stage_epochs(epochs, slices)
    assert sum(lengths) == 2 * epochs * slices // (slices + 1)
    passes = sum(length * (stage + 1) / slices for stage, length in enumerate(lengths))
    assert abs(passes - epochs) <= 1


def test_one_shard_of_one_slice_is_a_retrain_bit_for_bit(bench: Workbench) -> None:
    assert same(after(bench, SisaOfOne()).state_dict(), after(bench, Retrain()).state_dict())


def test_the_training_of_one_shard_is_that_of_the_original(bench: Workbench) -> None:
    """But for the order in which shards were drawn: as many steps on the same data, to about the same loss."""
    state = bench.artifact("test_sisa:OneShard").state
    (((indices,),)) = read_slices(state)
    assert torch.equal(indices, torch.arange(len(bench.retain) + len(bench.forget)))
    assert bench.artifact("test_sisa:OneShard").record.gradient_samples == 20 * len(indices)


def test_shards_hold_each_example_once(bench: Workbench) -> None:
    shards = read_slices(bench.artifact("shards").state)
    assert [len(slices) for slices in shards] == [5] * 5
    sizes = [sum(map(len, slices)) for slices in shards]
    assert max(sizes) - min(sizes) <= 1
    everything = torch.cat([part for slices in shards for part in slices]).sort().values
    assert torch.equal(everything, torch.arange(len(bench.retain) + len(bench.forget)))


@pytest.mark.parametrize("stage", [2, 4])
def test_only_the_affected_shard_is_retrained_from_its_slice_on(
    bench: Workbench, stage: int
) -> None:
    """An example of slice r of shard 3: the other members keep every bit, and stages r to R are paid for."""
    problem, meter = bench.problem(Sisa(), 0)
    prepared = problem.prepared("shards")
    shards = read_slices(prepared)
    problem = forgetting(problem, shards[3][stage][:1])
    members = [make_member(problem, prepared, s, slices, NONE) for s, slices in enumerate(shards)]
    for shard, member in enumerate(members):
        assert member is not None
        kept = same(member.state_dict(), pick_state(prepared, f"{shard}.4"))
        assert kept == (shard != 3)
    lengths, sizes = stage_epochs(20, 5), [len(part) for part in shards[3]]
    paid = sum(lengths[r] * (sum(sizes[: r + 1]) - 1) for r in range(stage, 5))
    assert meter.gradient_samples == paid


def test_a_retrained_member_is_one_that_never_saw_the_example(bench: Workbench) -> None:
    """Whatever the forgotten example is: with another label, checkpoint and member are the same bits."""
    problem, _ = bench.problem(Sisa(), 0)
    prepared = dict(problem.prepared("shards"))
    slices = read_slices(prepared)[0]
    problem = forgetting(problem, slices[3][:1])
    wrong = {k: v * 0 for k, v in prepared.items() if k.startswith(("0.3", "0.4"))}
    found = [
        make_member(replace(problem, rng=bench.generator(0)), p, 0, slices, NONE)
        for p in (prepared, prepared | wrong)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert same(found[0].state_dict(), found[1].state_dict())


def test_a_shard_of_which_nothing_remains_has_no_member(bench: Workbench) -> None:
    problem, _ = bench.problem(Sisa(), 0)
    prepared = problem.prepared("shards")
    slices = read_slices(prepared)[2]
    problem = forgetting(problem, torch.cat(slices))
    assert make_member(problem, prepared, 2, slices, NONE) is None
    assert len(list(Sisa().unlearn(problem))) == 1
    assert len(problem.model.get_submodule("others")) == 3  # type: ignore[arg-type]


def test_new_examples_are_dealt_to_all_shards_and_learned_with_the_last_slice(
    workbenches: Callable[..., Workbench],
) -> None:
    """Corrected examples, which lay in no shard: a member that forgets nothing repeats its last stage with its part."""
    bench = workbenches("digits-relabel:0.2")
    problem, meter = bench.problem(Sisa(), 0)
    prepared = problem.prepared("shards")
    shards = read_slices(prepared)
    dealt = deal_new(problem, shards)
    assert torch.equal(
        torch.cat(list(dealt)).sort().values, torch.from_numpy(bench.step.new).nonzero().flatten()
    )
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    problem = forgetting(problem, shards[0][0][:1])
    member = make_member(problem, prepared, 3, shards[3], dealt[3])
    assert member is not None
    assert not same(member.state_dict(), pick_state(prepared, "3.4"))
    assert len(dealt[3]) > 40
    size = sum(map(len, shards[3])) + len(dealt[3])
    assert meter.gradient_samples == stage_epochs(20, 5)[4] * size


def test_an_ensemble_says_the_mean_of_its_members_probabilities(bench: Workbench) -> None:
    """Its logits are the log of that, also for a copy, a pickle, and a model that its state is loaded into."""
    members = [bench.fresh_model() for _ in range(3)]
    for seed, member in enumerate(members):
        rng = bench.generator(seed)
        member.initialise(bench.retain.sample(50, rng), rng)
    x = bench.retain.sample(20, bench.generator(0))
    for member in members:
        member.eval()
    with torch.no_grad():
        mean = torch.stack([member(x).double().softmax(1) for member in members]).mean(0)
        join_members(members[0], members[1:])
        loaded = bench.fresh_model()
        join_members(loaded, [bench.fresh_model() for _ in range(2)])
        loaded.load_state_dict(members[0].state_dict())
        for model in (members[0], copy.deepcopy(members[0]), loaded.eval()):
            torch.testing.assert_close(model(x).double().exp(), mean, rtol=0, atol=1e-6)
            torch.testing.assert_close(
                pickle.loads(pickle.dumps(model))(x), model(x), rtol=0, atol=0
            )


def test_nearest_pairs_fill_clusters_up_to_their_size() -> None:
    """Three points near 0 and one near 10 with room for two each: of the three, the farthest must go."""
    points = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    distances = torch.cdist(points, torch.tensor([[0.0], [10.0]]))
    assert fill_clusters(distances, 2).tolist() == [0, 0, 1, 1]


def test_balanced_clusters_part_what_lies_apart() -> None:
    rng = torch.Generator().manual_seed(0)
    spots = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]]).repeat(20, 1)
    points = spots + torch.randn(60, 2, generator=rng)
    found = find_balanced_clusters(points, 3, rng)
    groups = [sorted(set(found[start::3].tolist())) for start in range(3)]
    assert sorted(groups) == [[0], [1], [2]]


def test_clusters_are_equally_large_and_a_class_lies_in_few(bench: Workbench) -> None:
    shards = read_slices(bench.artifact("clustered_shards").state)
    sizes = [sum(map(len, slices)) for slices in shards]
    assert sum(sizes) == len(bench.retain) + len(bench.forget)
    assert max(sizes) - min(sizes) < len(shards)
    forgotten = bench.forget.indices
    held = sorted(int(torch.isin(torch.cat(slices), forgotten).sum()) for slices in shards)
    assert held[-1] + held[-2] > 0.7 * len(forgotten), "random shards would hold two fifths"
    assert ClusteredSisa.needs == {"clustered_shards"}


def test_small_recipes_may_leave_stages_without_an_epoch() -> None:
    assert stage_epochs(Recipe(epochs=1, batch_size=1, lr=0.1).epochs, 5) == [0, 0, 1, 0, 0]
