"""Record real trials of many methods in one process, without Ray: what benchmarks.replay.search replays.

    python -m benchmarks.replay.recorder --task digits-class:1 [--trials 40] [--minutes 30] [--storage DIR]

Each trial is stored as it ends, so that the same command goes on where it was stopped. Methods take turns: whatever
there is when time is over, each has as many trials as the others. `python -m benchmarks.replay.recorded` then writes
benchmarks/data/trials.parquet from what is stored.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

from orchestrator.results.objectives import OBJECTIVES
from orchestrator.results.rows import trial_rows
from orchestrator.results.store import read_finished_trials, write_rows
from orchestrator.search.study import UnlearnerStudy
from orchestrator.sweeps.local_bench import LocalBench
from orchestrator.worker.early_stopping import Limits
from tasks.errors import Diverged
from tasks.references import use_references
from tasks.roles import ORIGINAL, RETRAINED, reference_number, reference_role
from tasks.trial import baseline_point, run_trial
from tasks.unlearners import unlearner_class
from tasks.workbench import Workbench

METHODS = (
    "finetune", "gradient-ascent", "negative-gradient+", "random-labels", "scrub", "delete", "ssd", "lfssd",
    "finetune-l2sp", "finetune-l1", "boundary-expand", "task-negation", "kodge", "npo", "gdr-gma", "eu-k", "natmu",
    "sfron", "jit", "ct", "ascent-descent", "msg", "salun", "bad-teacher",
)  # fmt: skip
"""The eight that a sweep without names once had, and sixteen of all families that need nothing trained beforehand."""
PARETO = OBJECTIVES["pareto"]
Row = dict[str, Any]


def main() -> None:
    """Record until there are enough trials, or time is over."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", default="digits-class:1")
    parser.add_argument("--trials", type=int, default=40, help="per method")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--references", type=int, default=4)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--storage", default="results/recorded")
    parser.add_argument("--unlearners", default=",".join(METHODS))
    options = parser.parse_args()
    Recorder(options).record(time.monotonic() + 60 * options.minutes)


class Recorder:
    """The trials of one task, as one sweep under a storage root."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._storage = str(Path(options.storage).absolute())
        self._sweep = options.task.replace(":", "-")
        self._trials, self._methods = options.trials, options.unlearners.split(",")
        self._references = options.references
        local = LocalBench(
            task=options.task,
            data_dir=options.data_dir,
            model=options.model,
            storage=self._storage,
            device="cpu",
        )
        self._bench = local.open_bench(*local.load_task(print), lambda *_: None)

    def record(self, until: float) -> None:
        """Run trials, the methods taking turns, until a moment of the monotonic clock."""
        bench = self._bench
        use_references(bench, self._references)
        stored = read_finished_trials(self._storage, self._sweep)
        for role in (ORIGINAL, *map(reference_role, range(self._references))):
            if role not in stored:
                self._store(bench.key(role), self._measure_model(role))
        finished = [rows for rows in stored.values() if rows[-1]["role"] == "trial"]
        studies = {m: UnlearnerStudy(m, PARETO, "random", 0, finished) for m in self._methods}
        counts = {m: sum(rows[-1]["unlearner"] == m for rows in finished) for m in studies}
        for number in range(self._trials):
            for method, study in studies.items():
                if time.monotonic() > until:
                    return
                if counts[method] <= number:
                    self._run(study)
            print(f"{self._sweep}: {number + 1} trials of each method", flush=True)

    def _measure_model(self, role: str) -> list[Row]:
        bench, reference = self._bench, role != ORIGINAL
        point = baseline_point(
            bench,
            bench.artifact(role),
            trained_for_this=reference,
            reference=reference_number(role) if reference else 0,
        )
        print(f"{role}: {point.metrics}", flush=True)
        columns = {
            "role": RETRAINED if reference else ORIGINAL,
            "unlearner": "retrain" if reference else None,
        }
        return self._rows([point], state="complete", trial_id=role, params="{}", **columns)

    def _run(self, study: UnlearnerStudy) -> None:
        from orchestrator.results.rows import params_json

        trial = study.ask(self._bench.task_key())
        points, state, error = run_recorded(self._bench, trial)
        rows = self._rows(
            points,
            state=state,
            error=error,
            trial_id=trial["trial_id"],
            params=params_json(trial["params"]),
            seed=trial["seed"],
            role="trial",
            unlearner=trial["unlearner"],
        )
        self._store(trial["trial_id"], rows)
        study.tell(trial["trial_id"], rows)

    def _rows(self, points: list[Any], **columns: Any) -> list[Row]:
        shared = {
            "sweep": self._sweep,
            "task": self._bench.task.name,
            "threads": 1,
            "device": "cpu",
        }
        shared |= {"references": self._references, "model": self._bench.task.model}
        return trial_rows(points, **shared, **columns)

    def _store(self, key: str, rows: list[Row]) -> None:
        write_rows(self._storage, self._sweep, key, rows)


def run_recorded(bench: Workbench, trial: Row) -> tuple[list[Any], str, str | None]:
    """Run one trial up to a retrain's cost; returns its points, the state that it ended in, and why."""
    unlearner = unlearner_class(trial["unlearner"]).from_params(trial["params"])
    limits, points = Limits(1.0), []
    try:
        with contextlib.closing(run_trial(bench, unlearner, trial["seed"])) as steps:
            for point in steps:
                points.append(point)
                why = limits.why_ended(point.cost.relative_cost, point.epoch, trial["params"])
                if why:
                    return points, "pruned", why
    except Diverged as error:
        return points, "failed", str(error)
    return points, "complete", None


if __name__ == "__main__":
    main()
