"""SISA training (Bourtoule et al., 2021, "Machine unlearning", IEEE S&P), also with the balanced partition of
GraphEraser (Chen et al., 2022, "Graph unlearning", CCS)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.needs.base import pick_state
from tasks.needs.shards import read_slices, train_stage
from tasks.unlearners.base import Passes, Unlearner
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.problem import Problem


@dataclass(frozen=True)
class Sisa(Unlearner):
    """Retrain the members of an ensemble whose shards hold forgotten examples (Bourtoule et al., 2021).

    S models f_s are trained beforehand, each on its own shard, which grows slice by slice, and kept after each slice.
    Member s goes back to before the first slice that holds a forgotten example, and on from there without such
    examples; a member without any stays as it is, bit for bit. New examples, if the request brings any, are dealt at
    random to the last slices, which all members then learn again. The result is the ensemble: p = Σ_s softmax(f_s) / S.
    It is exact: no member has seen the forget set. But it does not start from the task's original, and its outcome is
    no single model: a row holds an ensemble, whose members saw a part of the data each, against models that saw all.
    The authors' code counts votes by default, and has a constant learning rate; here that of the model's recipe runs
    once over all slices. Nothing to search: shards and slices are those of the need.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, cleverhans-lab/machine-unlearning",
        (
            "one shard of one slice is a retrain bit for bit",
            "only the affected shard is retrained from its slice on",
        ),
    )
    anytime: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"shards"})
    passes: ClassVar[Passes] = Passes(trainings=1, exact=False)

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        from tasks.models.ensemble import join_members

        (need,) = self.needs
        prepared = problem.prepared(need)
        shards = read_slices(prepared)
        pairs = enumerate(zip(shards, deal_new(problem, shards), strict=True))
        found = [make_member(problem, prepared, shard, *pair) for shard, pair in pairs]
        first, *others = (member for member in found if member is not None)
        problem.model.load_state_dict(first.state_dict())
        join_members(problem.model, others)
        yield


@dataclass(frozen=True)
class ClusteredSisa(Sisa):
    """SISA whose shards are balanced clusters of similar images, as in GraphEraser (Chen et al., 2022).

    See `Sisa` and tasks/needs/clustered_shards.py. A class lies in few shards, so that less is retrained. But each
    member knows few classes, and their mean knows these badly; GraphEraser's learned weights of the members are not
    here. New examples are dealt at random, not to the nearest cluster. The other images' shards depend a little on the
    forgotten ones: it is not exact.
    """

    verified: ClassVar[Verified] = Verified(
        "the authors' code of GraphEraser, for the clusters alone",
        ("clusters are equally large and a class lies in few",),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"clustered_shards"})
    passes: ClassVar[Passes] = Passes(trainings=0.5, exact=False)


def deal_new(problem: Problem, shards: Sequence[Sequence[Tensor]]) -> Sequence[Tensor]:
    """Deal the retained examples that lie in no slice to the shards: the indices (K,) for each, often none."""
    import torch

    known = torch.cat([part for slices in shards for part in slices])
    new = problem.retain.indices[~torch.isin(problem.retain.indices, known)]
    if len(new):  # without any, nothing is drawn
        new = new[torch.randperm(len(new), generator=problem.rng)]
    return new.tensor_split(len(shards))


def make_member(
    problem: Problem, prepared: Mapping[str, Tensor], shard: int, slices: list[Tensor], new: Tensor
) -> Network | None:
    """Make the member of a shard without the forget set, but with `new` indices (K,) in its last slice.

    None if the shard then holds nothing.
    """
    import torch

    kept = [part[~torch.isin(part, problem.forget.indices)] for part in slices]
    kept[-1] = torch.cat([kept[-1], new])
    if not sum(map(len, kept)):
        return None

    def part(indices: Tensor) -> Split:
        return problem.retain.at(torch.nonzero(torch.isin(problem.retain.indices, indices))[:, 0])

    both = enumerate(zip(slices, kept, strict=True))
    first = next((s for s, (old, now) in both if not torch.equal(old, now)), len(slices))
    model = problem.make_blank()
    if sum(map(len, kept[:first])):
        model.load_state_dict(pick_state(prepared, f"{shard}.{first - 1}"))
    for stage in range(first, len(slices)):
        for _ in train_stage(model, kept, stage, part, problem.rng):
            pass
    return model
