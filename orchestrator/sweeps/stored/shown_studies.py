"""The studies of a sweep, made of its stored rows."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import SweepConfig
from orchestrator.results.objectives import objective_named

if TYPE_CHECKING:
    from orchestrator.search.first.points import FirstPoint
    from orchestrator.search.study import UnlearnerStudy
    from orchestrator.search.view import StudyView

Row = dict[str, Any]
DASHBOARD = "optuna-dashboard"


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
        if board.target:
            say(f"to look at the studies, now and later: {spell_dashboard(board.target)}")
    return studies


def spell_dashboard(target: str) -> str:
    """Spell the command that opens studies in a browser, as it works where the virtual environment is not active."""
    beside = Path(sys.executable).with_name(DASHBOARD)
    on_path = shutil.which(DASHBOARD) is not None
    program = str(beside) if beside.exists() and not on_path else DASHBOARD
    install = (
        "" if on_path or beside.exists() else f" (it is not installed: pip install {DASHBOARD})"
    )
    return f"{shlex.join([program, target])}{install}"
