"""Every setting of a sweep, declared once: type, default, help. The flags of the command line are these fields."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from orchestrator.results.objectives import objective_named
from orchestrator.results.recommendation import check_points
from orchestrator.search.database_url import normalise_database, remove_password
from orchestrator.search.samplers import SAMPLERS, check_sampler
from tasks.datasets.loaders import LOADERS
from tasks.datasets.options import DataOptions
from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.roles import FEWEST
from tasks.storage.roots import normalise_root
from tasks.unlearners import expand_names, unlearner_class

LARGEST = 2**63
"""Numbers of stored settings are below this."""

LOCAL = "local"
"""The address that starts a private Ray cluster on this machine."""


REMOTE = "ray://"
"""Prefix of the address of a cluster that this machine is not part of."""

DEFAULT_TASK, FALLBACK_TASK = "cifar10-class:automobile", "digits-class:1"

DEFAULT_UNLEARNERS = (
    "finetune", "gradient-ascent", "negative-gradient+", "random-labels", "scrub", "delete", "ssd", "lfssd",
)  # fmt: skip
"""Methods of a sweep that names none: cheap ones of five families, so that a first sweep ends soon.

All but finetune, with which every paper compares, had a point that forgets on the digits in eight trials.
"""

DEFAULT_TRIALS_PER_SLOT = {("digits", "cpu"): 25, ("cifar10", "cpu"): 0.5}
"""Trials per unlearner and concurrent trial: one minute on digits, 38 on CIFAR-10 with two CPUs."""
DEFAULT_TRIALS = 50
"""Trials per unlearner: the upper limit on a CPU, and the number on a GPU."""

DEFAULT_REFERENCES_BY_TASK = {("digits", "cpu"): 8, ("cifar10", "cpu"): 2}
DEFAULT_REFERENCES = 4
"""Models retrained for comparison: as many as their training allows, which takes seconds to minutes each."""


def split_commas(_type: Any, tokens: Any) -> tuple[str, ...]:
    """Convert the value of a flag: names separated by commas."""
    return tuple(part.strip() for part in tokens[0].value.split(",") if part.strip())


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Settings of a sweep: the search, and the place where it runs."""

    task: str | None = None
    """Task, such as cifar10-class:automobile [default: that one, or digits-class:1 if CIFAR-10 is not available]."""
    unlearners: Annotated[
        tuple[str, ...], Parameter(converter=split_commas, n_tokens=1, show_default=False)
    ] = ()
    """Methods to compare, separated by commas; all; family:NAME [default: eight cheap ones of five families]."""
    trials: int | None = None
    """Trials per unlearner [default: chosen by data set and device]."""
    objective: str = "pareto"
    """pareto, accuracy, mia, time, score, or your own: METRIC:DIRECTION,…"""
    sampler: str = "tpe"
    """Optuna sampler: tpe, nsgaii, nsgaiii, gp, random, or your own as module:attribute."""
    name: str | None = None
    """Name of the sweep. The name of an unfinished sweep continues it [default: from task and objective]."""
    storage: str = "./results"
    """Storage root, a folder or s3://BUCKET/PREFIX: results and trained models."""
    data_dir: Path | None = None
    """Folder with the data set [default: ./data, downloaded if possible]."""
    label_column: str | None = None
    """Column with the classes, for a task parquet-… [default: label]."""
    image_size: int | None = None
    """Pixels to which each picture is scaled and cropped, for folder-… and parquet-… [default: as they are]."""
    model: str = "auto"
    """Model family: NAME or NAME:WIDTH. auto chooses by device."""
    seed: int = 0
    """Seed of the splits, the forget set, the training, the search and the trials."""
    loader: str = "auto"
    """How training images are read: auto, ffcv, mapped or resident."""
    max_concurrent: int | None = None
    """Trials that run at a time [default: what the nodes hold now]. With more, an autoscaling cluster grows."""
    cpus_per_trial: int = 1
    """CPUs per trial, and its number of torch threads."""
    gpus_per_trial: float | None = None
    """GPUs per trial; fractions are allowed [default: .25 if the cluster has a GPU, else 0]."""
    trial_seconds: float | None = None
    """Time limit of a trial in seconds. A longer trial is stored as failed [default: no limit]."""
    cost_limit: float = 1.0
    """Share of a retrain's cost. An anytime trial that reaches that is stopped; its points so far count."""
    references: int | None = None
    """Models retrained without the forget set, for comparison; at least 2 [default: by data set and device]."""
    calibration: bool = False
    """Keep a tenth of the held-out data for methods, out of both halves. Methods that need it turn it on."""
    address: str = LOCAL
    """Ray cluster: local, auto or ray://HOST:PORT."""
    preset: str | None = None
    """Named experiment that sets every flag that you do not give: cs726."""
    optuna_storage: str | None = None
    """URL of a database that shows the Optuna studies [default: a journal file in the sweep's folder]."""
    confirms: str | None = None
    """Run the front of this sweep again with --seed, instead of a search. See `orchestrator confirm`."""
    points: str = "front"
    """Which points of the confirmed sweep run again: front, or methods, which is one of each method."""
    code: Annotated[
        tuple[str, ...], Parameter(converter=split_commas, n_tokens=1, show_default=False)
    ] = ()
    """Code that a stored sweep may import, as module:attribute,…: a store alone imports nothing."""
    given: Annotated[dict[str, Any] | None, Parameter(parse=False)] = None
    """If the sweep confirms another: the hyper-parameters of each trial, by unlearner."""
    budgets: Annotated[dict[str, Any] | None, Parameter(parse=False)] = None
    """Trials of each unlearner, as decided when the sweep began. A status imports no unlearner for them."""

    def validate(self) -> SweepConfig:
        """Return the settings with the preset filled in.

        Raises InvalidValue, which names the valid choices.
        """
        # Absolute: a sweep may be resumed from another folder.
        data_dir = self.data_dir and Path(os.path.abspath(os.path.expanduser(self.data_dir)))
        config = dataclasses.replace(
            self._with_preset(), storage=normalise_root(self.storage), data_dir=data_dir
        )
        self.data_options  # noqa: B018  # raises for a value out of range
        config = dataclasses.replace(config, unlearners=expand_names(config.unlearners))
        objective_named(config.objective)
        url = config.optuna_storage and normalise_database(config.optuna_storage)
        config = dataclasses.replace(config, optuna_storage=url)
        if config.sampler not in SAMPLERS:  # the check imports Optuna
            check_sampler(config.sampler)
        one_of("loader", config.loader, LOADERS)
        if check_points(config.points) != SweepConfig.points and config.confirms is None:
            raise InvalidValue(f"--points {config.points} is for a sweep that --confirms another")
        for name in config.unlearners:
            unlearner_class(name)
        if len(set(config.unlearners)) < len(config.unlearners):
            raise InvalidValue("--unlearners names a method twice")
        for flag, value, least, limit in (
            ("trials", config.trials, 1, math.inf),
            ("max-concurrent", config.max_concurrent, 1, math.inf),
            ("cpus-per-trial", config.cpus_per_trial, 1, math.inf),
            ("gpus-per-trial", config.gpus_per_trial, 0, math.inf),
            ("references", config.references, FEWEST, math.inf),
            ("trial-seconds", config.trial_seconds, 1, math.inf),
            ("cost-limit", config.cost_limit, 0, math.inf),
        ):
            if value is not None and not least <= value < limit:
                below = "" if limit == math.inf else f", below {limit}"
                raise InvalidValue(f"--{flag} {value} is out of range: at least {least}{below}")
        gpus = config.gpus_per_trial or 0
        if gpus > 1 and gpus != int(gpus):
            raise InvalidValue(f"--gpus-per-trial {gpus}: above 1, Ray accepts whole numbers only")
        check_seed(config.seed)
        if config.address not in (LOCAL, "auto") and not config.address.startswith(REMOTE):
            raise InvalidValue(
                f"--address {config.address!r} is not one of: {LOCAL}, auto, {REMOTE}HOST:PORT"
            )
        if config.name is not None:
            check_name(config.name)
        return config

    def _with_preset(self) -> SweepConfig:
        if self.preset is None:
            return self
        preset = PRESETS[one_of("preset", self.preset, PRESETS)]
        defaults = SweepConfig()
        left = {k: v for k, v in preset.items() if getattr(self, k) == getattr(defaults, k)}
        return dataclasses.replace(self, **left)

    @property
    def data_options(self) -> DataOptions:
        """The settings of how the data are read; raises InvalidValue."""
        return DataOptions(self.label_column, self.image_size)

    @property
    def repeat_name(self) -> str | None:
        """The default name of a sweep that confirms another; None if this one confirms none."""
        if not self.confirms:
            return None
        which = "" if self.points == SweepConfig.points else f"{self.points}-"
        return f"{self.confirms}+{which}seed-{self.seed}"

    def to_json(self) -> str:
        """Return the settings as JSON, for the sweep's folder.

        `code` is left out: only a user can allow code. So is the password of a database.
        """
        stored = dataclasses.asdict(self)
        del stored["code"]
        stored["optuna_storage"] = remove_password(self.optuna_storage)
        return json.dumps(stored, indent=1, default=str)

    @classmethod
    def from_json(cls, text: str) -> SweepConfig:
        """Return the settings in a text by `to_json`; settings of another version are ignored.

        Raises ValueError if the text is not JSON, TypeError if it is not a configuration.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict):
            raise TypeError("not a JSON object")
        values = {name: value for name, value in stored.items() if name != "code"}
        values["unlearners"] = tuple(values.get("unlearners") or ())
        if values.get("data_dir") is not None:
            values["data_dir"] = Path(values["data_dir"])
        types = typing.get_type_hints(cls)
        known = {name: value for name, value in values.items() if name in types}
        for name, value in known.items():
            if not _is_of_type(value, types[name]):
                raise TypeError(f"{name} is {value!r}")
        return cls(**known)

    def list_differences(self, other: SweepConfig) -> list[str]:
        """Return one text per setting that affects the results and differs from `other`'s."""
        deciding = (
            "task",
            "unlearners",
            "trials",
            "objective",
            "sampler",
            "model",
            "label_column",
            "image_size",
            "seed",
            "cost_limit",
            "references",
            "calibration",
            "confirms",
            "points",
        )
        return [
            f"{name} was {getattr(self, name)!r}, now {getattr(other, name)!r}"
            for name in deciding
            if getattr(self, name) != getattr(other, name)
        ]


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class JobConfig(SweepConfig):
    """Settings of a submitted sweep: the search, and the cluster that runs it."""

    storage: str = ""
    """Storage root: an absolute path that exists on every node, or a URI [default: the cluster's own]."""
    address: str = "http://127.0.0.1:8265"
    """Dashboard of the Ray cluster. `ray dashboard CLUSTER.yaml` forwards it to this machine."""


PRESETS: dict[str, dict[str, Any]] = {
    "cs726": {
        "task": "cifar10-class:automobile",
        "trials": 6,
        "unlearners": ("finetune", "finetune-l2sp", "gradient-ascent", "ssd"),
    },
}
"""The experiment of the CS726 slides: forget all automobiles by fine-tuning, without and with a penalty.
The other two methods cost a few per cent of a retrain. They are there to beat the final model of the slides."""


def _is_of_type(value: Any, declared: Any) -> bool:
    if declared == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    accepted = tuple(typing.get_origin(t) or t for t in typing.get_args(declared) or (declared,))
    if isinstance(value, int | float) and not abs(value) < LARGEST:  # nor is NaN
        return False
    return isinstance(value, accepted) or (float in accepted and isinstance(value, int))


def check_seed(seed: int) -> int:
    """Return the seed; raise InvalidValue if the generators do not accept it."""
    if not 0 <= seed < 2**63:
        raise InvalidValue(f"--seed {seed} is out of range: 0..{2**63 - 1}")
    return seed


def check_name(name: str) -> str:
    """Return the name of a sweep; raise InvalidValue unless it is a plain file name."""
    plain = name.isascii() and all(c.isalnum() or c in "-_.+:" for c in name)
    if not plain or not name[:1].isalnum() or len(name) > 100:
        raise InvalidValue(
            f"--name {name[:100]!r}: up to 100 letters, digits and -_.+: , a letter or digit first"
        )
    return name
