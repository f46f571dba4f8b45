"""Flags of commands that are no settings of a sweep: their types and help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orchestrator.config import NAMES, TEXTS, SweepConfig

STORAGE = SweepConfig().storage
TASK_HELP = "Task, such as digits-class:1, or requests one after another: digits-class:1;class:7."
SweepName = Annotated[str, Parameter(help="Name of the sweep.")]
Storage = Annotated[str, Parameter(help="Storage root: results and trained models.")]
DataDir = Annotated[Path | None, Parameter(help="Folder with the data set.")]
Model = Annotated[
    str,
    Parameter(
        help="Model family: NAME or NAME:WIDTH, or your own as module:function. auto chooses by device."
    ),
]
TrainedBy = Annotated[
    str | None,
    Parameter(
        help="Settings of the training that differ from the family's, as lr=.1,epochs=5: see `list models`."
    ),
]
Original = Annotated[
    Path | None,
    Parameter(
        help="File of weights (.pt or .safetensors) that are the original model [default: it is trained]."
    ),
]
Loader = Annotated[str, Parameter(help="auto, ffcv, mapped or resident.")]
Device = Annotated[str, Parameter(help="auto, cpu or cuda.")]
Calibration = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Keep a tenth of the held-out data for methods, as the sweep did. A method that needs it turns it on.",
    ),
]
Threads = Annotated[
    int,
    Parameter(
        help="Torch threads, as in a sweep: on a CPU they decide the trained models to the last bit."
    ),
]
References = Annotated[
    int,
    Parameter(
        help="How many models retrained without the forget set the trial is held against: 0, or 2 and more."
    ),
]
Metrics = Annotated[
    str,
    Parameter(
        help="Metrics on request, of the last point: names, all, all,-NAME, shadows. See `orchestrator list metrics`."
    ),
]
Shadows = Annotated[
    int,
    Parameter(
        help="Shadow models that are trained for the metrics that need them: a multiple of 4."
    ),
]
KeepShadows = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Keep the weights of shadow models, not only what they say of each method.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    Parameter(
        name="--config",
        help="File with settings: TOML, or the config.json of a sweep. The flags given here go before it.",
    ),
]
"""Its settings are added before the flags are converted: see orchestrator.cli.given_values."""
ReportFile = Annotated[
    Path | None,
    Parameter(
        help="File in .html that the report of the sweep is written to as trials end. An open page loads itself again."
    ),
]
DryRun = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Print what the sweep would do, and what that costs. Nothing is run or written.",
    ),
]
Log = Annotated[
    tuple[str, ...],
    TEXTS,
    Parameter(
        consume_multiple=False,  # the name of a sweep may follow
        negative=(),
        help="Log each trial, earlier ones too, as `sweep --log` does: csv:PATH, tensorboard:FOLDER, mlflow[:URI], "
        "wandb[:PROJECT]. May be repeated.",
    ),
]
Code = Annotated[
    tuple[str, ...],
    NAMES,
    Parameter(
        consume_multiple=False,  # the name of a sweep may follow
        negative=(),
        help="Code that the stored sweep may import, as module:attribute,…: a store alone imports nothing.",
    ),
]
