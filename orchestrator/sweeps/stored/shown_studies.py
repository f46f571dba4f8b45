"""The studies of a sweep, made of its stored rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named

if TYPE_CHECKING:
    from orchestrator.search.first.points import FirstPoint
    from orchestrator.search.study import UnlearnerStudy
    from orchestrator.search.view import StudyView

Row = dict[str, Any]


def list_first_of(config: SweepConfig, unlearner: str) -> list[FirstPoint]:
    """List the first trials of a method of a sweep; none of a sweep that confirms another."""
    from orchestrator.search.first.points import list_first

    if config.given is not None:
        return []
    warm = (config.warm_points or {}).get(unlearner, ())
    return list_first(unlearner, config.set, config.first, config.task or "", warm)


def show_studies(
    config: SweepConfig,
    finished: Sequence[Sequence[Row]],
    board: StudyView | None,
    say: Callable[[str], None],
) -> list[UnlearnerStudy]:
    """Build the study of each method from the finished trials, and show them to who looks."""
    from orchestrator.search.study import UnlearnerStudy

    objective, given = objective_named(config.aim), config.given or {}
    studies = [
        UnlearnerStudy(
            unlearner,
            objective,
            config.sampler,
            config.seed,
            finished,
            given.get(unlearner),
            config.set,
            list_first_of(config, unlearner),
        )
        for unlearner in config.unlearners
    ]
    if board is not None:
        board.rebuild(studies, say)
    return studies
