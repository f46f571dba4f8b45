"""The columns of the results store: each is described once, here or beside its metric, and read everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tasks.evaluation import every_metric
from tasks.evaluation.metric import Best, Half, Tier
from tasks.forget_sets.traits import Trait


@dataclass(frozen=True)
class Column:
    """Name, kind of value, meaning and unit of a column."""

    name: str
    type: str
    """text, real, whole, flag or moment: the store maps these to Arrow types."""
    help: str
    unit: str = ""
    half: Half = "none"
    """The held-out half that it reads."""
    best: Best | None = None
    """Where its ideal is; None of what is no result."""
    headline: str | None = None
    """Its heading in a table; see Metric."""
    only: Trait | None = None
    """The trait of a forget set without which it is null."""
    tier: Tier = "row"
    """Whether every row has it, or only those of models for which it was asked."""
    is_clock: bool = False
    """Whether a clock says it, so that no two runs have the same."""


TEXT, REAL, WHOLE, FLAG, MOMENT = "text", "real", "whole", "flag", "moment"

ROLES = ("trial", "original", "retrained")
STATES = ("complete", "failed", "pruned")

IDENTITY = (
    Column("sweep", TEXT, "name of the sweep"),
    Column("trial_id", TEXT, "the trial within its sweep: UNLEARNER-KEY, original or retrained"),
    Column("role", TEXT, "|".join(ROLES)),
    Column("task", TEXT, "name of the task"),
    Column("unlearner", TEXT, "name of the method; null for the original model"),
    Column(
        "params",
        TEXT,
        "every hyper-parameter of the method, searched or not, as JSON; no options at their defaults",
    ),
    Column(
        "references", WHOLE, "retrained models that this one is held against; null before 0.2.0"
    ),
    Column("seed", WHOLE, "seed of the trial's generator; for a baseline, of its training"),
    Column("epoch", WHOLE, "yields of the unlearner so far: a trial's rows are its trajectory"),
    Column("final", FLAG, "whether this is the trial's last row: exactly one per trial"),
    Column(
        "state",
        TEXT,
        f"{'|'.join(STATES)}: the last row's says how the trial ended. failed: that row has no "
        "metrics, the points before it are complete; pruned: so are all rows, and all count",
    ),
    Column(
        "measured",
        TEXT,
        "steering|all: which metrics the row has: those of the validation half and of the objective, or all; null "
        "before 0.2.0 and in rows without metrics, all elsewhere",
    ),
    Column("error", TEXT, "why a trial failed or was pruned"),
    Column(
        "confirms", TEXT, "the sweep whose points are run again here with another seed, if one is"
    ),
    Column(
        "proposed_by",
        TEXT,
        "default|table|warm-start|sampler: who proposed the trial; null of a model, of a trial that confirms another, "
        "and before 0.2.0",
    ),
    Column(
        "certificate",
        TEXT,
        "of a method that has a certificate in its paper: what it guarantees here, under which assumptions, or why "
        "nothing; null of others, and before 0.2.0",
    ),
)

SEQUENCE = (
    Column("step", WHOLE, "number of the request in its sequence, from 1"),
    Column("request", TEXT, "what this request forgets: KIND:ARGUMENT"),
)
"""What the rows of a sequence of requests have beside a sweep's columns; see docs/sequences.md."""


def _cost(
    name: str,
    type: str,
    help: str,
    unit: str,
    headline: str | None = None,
    *,
    is_clock: bool = False,
) -> Column:
    return Column(name, type, help, unit, best="down", headline=headline, is_clock=is_clock)


COSTS = (
    _cost(
        "unlearn_seconds",
        REAL,
        "wall time in the unlearner, device-synchronised",
        "s",
        "unlearn\nseconds",
        is_clock=True,
    ),
    _cost(
        "load_seconds",
        REAL,
        "wall time to put the original model on the device",
        "s",
        is_clock=True,
    ),
    _cost(
        "evaluate_seconds", REAL, "wall time spent measuring, up to this point", "s", is_clock=True
    ),
    _cost("gradient_samples", WHOLE, "examples passed forward and backward", "examples"),
    _cost("flops", REAL, "floating-point operations of the unlearner's passes", "FLOP"),
    _cost(
        "relative_cost",
        REAL,
        "flops over those of retraining from scratch; at least its share of a retrain's CPU seconds over 4 (on a "
        "GPU: of its seconds over 16), for what is computed outside of the model's forward pass, but in a "
        "deterministic sweep",
        "fraction",
        "cost /\nretrain",
    ),
    _cost(
        "preparation_cost",
        REAL,
        "flops of what was trained beforehand for the method alone (see `list unlearners`: needs), over those of "
        "retraining from scratch; 0 if nothing was, null before 0.2.0",
        "fraction",
    ),
    Column(
        "run_time_efficiency",
        REAL,
        "CPU seconds (on a GPU: seconds) of a retrain over those of the unlearner: RTE; null without references",
        "ratio",
        best="up",
        is_clock=True,
    ),
)
PROVENANCE = (
    Column("model", TEXT, "model family and width"),
    Column(
        "recipe", TEXT, "settings of its training that differ from the family's; null if none do"
    ),
    Column(
        "original_file",
        TEXT,
        "of the original model: the file that it was given by; null if it was trained",
    ),
    Column(
        "training_seconds",
        REAL,
        "of the original and of references: wall time of their training; null if unknown, and before 0.2.0",
        "s",
        is_clock=True,
    ),
    Column("loader", TEXT, "how training images were read: resident, mapped or ffcv"),
    Column("device", TEXT, "name of the device"),
    Column("dtype", TEXT, "dtype of the forward pass"),
    Column("threads", WHOLE, "CPU threads of the process that measured the seconds"),
    Column("host", TEXT, "machine that ran it"),
    Column("task_seed", WHOLE, "seed of splits, forget set and baselines"),
    Column("data", TEXT, "fingerprint of the data set's pixels and labels"),
    Column("forget_count", WHOLE, "training examples of the forget set; null before 0.2.0"),
    Column("forget_mask", TEXT, "hash of the forget set: which training examples are in it"),
    Column("forget_classes", TEXT, "examples of the forget set by class, as trained, as JSON"),
    Column("task_key", TEXT, "content key of the task"),
    Column("trial_key", TEXT, "content key of task, method, hyper-parameters and seed"),
    Column("original_key", TEXT, "artifact key of the original model"),
    Column("retrained_key", TEXT, "artifact key of the retrained model"),
    Column("code_version", TEXT, "hash of the source of tasks/"),
    Column("versions", TEXT, "versions of Python and of the packages that matter, as JSON"),
    Column("finished_at", MOMENT, "when the trial ended", "UTC", is_clock=True),
)
MEASURED = tuple(
    Column(n, REAL, m.help, m.unit, m.half, m.best, m.headline, m.only, m.tier)
    for n, m in every_metric().items()
)
METRICS = frozenset(column.name for column in MEASURED)
"""Names of the columns that are metrics."""

COLUMNS: dict[str, Column] = {c.name: c for c in (*IDENTITY, *MEASURED, *COSTS, *PROVENANCE)}

NOT_NEGATIVE = frozenset({"bits", "nats", "ratio", "sum of shares"})
"""Units of numbers that are at least 0 and may be above 1."""


def find_bounds(name: str) -> tuple[float, float]:
    """Return the least and the largest value that a measured column or a cost can have; infinite if there is none."""
    column = COLUMNS[name]
    if column in COSTS or column.unit in NOT_NEGATIVE:
        return 0.0, math.inf
    return (0.0, 1.0) if column.unit in ("fraction", "flag") else (-math.inf, math.inf)


HEADED = tuple(c.name for c in (*MEASURED, *COSTS) if c.headline)
"""What a table shows of a model by default."""
