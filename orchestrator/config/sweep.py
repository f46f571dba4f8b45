"""Every setting of a sweep, declared once: type, default, help. The flags of the command line are these fields."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from orchestrator.config.checks import (
    check_deterministic,
    check_numbers,
)
from orchestrator.config.choices import check_choices
from orchestrator.config.conversion import check_types, convert_settings, convert_stored
from orchestrator.config.defaults import DEFAULT_UNLEARNERS, LOCAL, PRESETS
from orchestrator.config.differences import list_differences
from orchestrator.config.files import read_settings
from orchestrator.config.flags import INNER, NAMES, TEXTS
from orchestrator.config.wall_time import read_duration
from orchestrator.search.allocation import EQUAL
from orchestrator.search.database_url import normalise_database, remove_password
from orchestrator.search.first.points import TABLE
from orchestrator.search.narrowing import check_assignments
from tasks.datasets.options import DataOptions
from tasks.errors import InvalidValue
from tasks.evaluation import choose_metrics, names_shadows
from tasks.models.recipe_settings import spell_settings
from tasks.registry import one_of
from tasks.storage.roots import normalise_root
from tasks.unlearners import expand_names

ASKED = ("code", "more_trials", "log")
"""Settings that a store neither keeps nor gives: a user asks for them each time."""


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Settings of a sweep: the search, and the place where it runs."""

    task: str | None = None
    """Task, such as cifar10-class:automobile [default: that one, or digits-class:1 if CIFAR-10 is not available]."""
    unlearners: Annotated[tuple[str, ...], NAMES] = ()
    """Methods to compare: NAME,NAME or NAME NAME; all; family:NAME [default: eight of docs/methods.md]."""
    set: Annotated[tuple[str, ...], TEXTS] = ()
    """Fix or narrow a hyper-parameter, as [METHOD.]NAME=VALUE, =LOW..HIGH or =A,B,C. May be repeated."""
    trials: int | None = None
    """Trials per unlearner [default: chosen by data set and device]."""
    budget: str | None = None
    """Wall time of the whole sweep, such as 30m or 1h30m: instead of --trials, or whichever ends first."""
    objective: str = "pareto"
    """pareto, forget, accuracy, mia, time, score, or your own: METRIC:DIRECTION,…"""
    require: Annotated[tuple[str, ...], TEXTS] = ()
    """Limit that a recommended point meets, as 'METRIC>=VALUE' or '<='. The search prefers points that do."""
    sampler: str = "tpe"
    """Optuna sampler: tpe, nsgaii, nsgaiii, gp, random, or your own as module:attribute."""
    first: str = TABLE
    """What comes before the sampler: none, defaults (each method's own), or table (then known good points)."""
    warm_start: str | None = None
    """Name of another sweep whose front, and each method's best point, come before the sampler too."""
    allocation: str = EQUAL
    """Which method gets the next trial: equal, or adaptive, the one where a second is expected to gain most."""
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
    """Model family: NAME or NAME:WIDTH, or your own as module:function. auto chooses by device."""
    recipe: str | None = None
    """Settings of the training that differ from the family's, as lr=.1,epochs=5: see `list models`."""
    original: Path | None = None
    """File of weights (.pt or .safetensors) that are the original model [default: it is trained]."""
    original_hash: Annotated[str | None, INNER] = None
    """Content hash of these weights: the sweep began with them."""
    seed: int = 0
    """Seed of the splits, the forget set, the training, the search and the trials."""
    loader: str = "auto"
    """How training images are read: auto, ffcv, mapped or resident."""
    max_concurrent: int | None = None
    """Trials that run at a time [default: what the nodes hold now]. With more, an autoscaling cluster grows."""
    deterministic: bool = False
    """Same trials and metrics for the same seed: one trial at a time, and costs by operations, not by any clock."""
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
    metrics: str = ""
    """Metrics on request for each model and each trial's last point: names, or all, or all,-NAME."""
    shadows: int = 16
    """Shadow models, a multiple of 4, for metrics that read them; a sweep that --confirms another trains some."""
    keep_shadows: bool = False
    """Keep the weights of shadow models, not only what they say of each method."""
    measure: str = "needed"
    """How much of a trial's points is measured: needed leaves out what no front will show; all."""
    address: str = LOCAL
    """Ray cluster: local, auto or ray://HOST:PORT."""
    preset: str | None = None
    """Named experiment that sets every flag that you do not give: cs726."""
    optuna_storage: str | None = None
    """URL of a database that shows the Optuna studies [default: a journal file in the sweep's folder]."""
    log: Annotated[tuple[str, ...], TEXTS] = ()
    """Log each trial to csv:PATH, tensorboard:FOLDER, mlflow[:URI], wandb[:PROJECT] or your own module:attribute."""
    confirms: str | None = None
    """Run the front of this sweep again with --seed, instead of a search. See `orchestrator confirm`."""
    points: str = "front"
    """Which points of the confirmed sweep run again: front, or methods, which is one of each method."""
    code: Annotated[tuple[str, ...], NAMES] = ()
    """Code that a stored sweep may import, as module:attribute,…: a store alone imports nothing."""
    more_trials: Annotated[bool, INNER] = False
    """Whether the stored sweep gets more trials than it has: `resume --trials` asks for that."""
    given: Annotated[dict[str, Any] | None, INNER] = None
    """If the sweep confirms another: the hyper-parameters of each trial, by unlearner."""
    warm_points: Annotated[dict[str, Any] | None, INNER] = None
    """If the sweep starts from another: the hyper-parameters of its points, by unlearner."""
    left_out: Annotated[tuple[str, ...], INNER] = ()
    """Methods that were asked for and do not fit the task: the sweep began without them."""
    budgets: Annotated[dict[str, Any] | None, INNER] = None
    """Trials of each unlearner, as decided when the sweep began. A status imports no unlearner for them.

    Of a sweep with a budget of time: the trials that there were when the time was over; None before."""
    granted_at: Annotated[str | None, INNER] = None
    """When the budget of time began to count, in ISO 8601: the start of the sweep, or of a resume with more."""

    def validate(self) -> SweepConfig:
        """Return the settings with the preset filled in.

        Raises InvalidValue, which names the valid choices.
        """
        config = self._spell_out()
        config.data_options  # noqa: B018  # raises for a value out of range
        check_choices(config)
        check_assignments(config.set, config.unlearners or DEFAULT_UNLEARNERS)
        check_numbers(config)
        config.budget_seconds  # noqa: B018  # raises for what is no duration
        if config.deterministic:
            check_deterministic(config)
            config = dataclasses.replace(config, max_concurrent=1)
        return config

    def _spell_out(self) -> SweepConfig:
        """Return the settings with the preset filled in, and each in the one form that is stored."""
        # Absolute: a sweep may be resumed from another folder.
        config = dataclasses.replace(
            self._with_preset(),
            storage=normalise_root(self.storage),
            data_dir=_make_absolute(self.data_dir),
            original=_make_absolute(self.original),
        )
        if config.recipe is not None:
            config = dataclasses.replace(config, recipe=spell_settings(config.recipe) or None)
        url = config.optuna_storage and normalise_database(config.optuna_storage)
        names = expand_names(config.unlearners)
        return dataclasses.replace(config, unlearners=names, optuna_storage=url)

    def _with_preset(self) -> SweepConfig:
        if self.preset is None:
            return self
        preset = PRESETS[one_of("preset", self.preset, PRESETS)]
        defaults = SweepConfig()
        left = {k: v for k, v in preset.items() if getattr(self, k) == getattr(defaults, k)}
        return dataclasses.replace(self, **left)

    @property
    def aim(self) -> str:
        """The objective with what is required, as `objective_named` reads them."""
        return ",".join((self.objective, *self.require))

    @property
    def budget_seconds(self) -> float | None:
        """The budget of time in seconds; None if trials alone are counted. Raises InvalidValue."""
        return None if self.budget is None else read_duration("budget", self.budget)

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
        asked = choose_metrics(self.metrics)
        if asked:  # their names do not fit
            many = (str(self.shadows),) if names_shadows(self.metrics) else ()
            words = " ".join((*asked, *many))
            which += f"metrics-{hashlib.sha256(words.encode()).hexdigest()[:6]}-"
        return f"{self.confirms}+{which}seed-{self.seed}"

    def to_json(self) -> str:
        """Return the settings as JSON, for the sweep's folder.

        What only a user can ask for is left out: code that is allowed, more trials, and loggers. So is the
        password of a database.
        """
        stored = {k: v for k, v in dataclasses.asdict(self).items() if k not in ASKED}
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
        values = {name: value for name, value in stored.items() if name not in ASKED}
        return cls(**convert_stored(values, typing.get_type_hints(cls)))

    @classmethod
    def from_file(cls, path: str | Path) -> SweepConfig:
        """Return the settings in a TOML file, or in the config.json of a sweep: see `read_settings`.

        Raises InvalidValue.
        """
        given = read_settings(path, list_flags(cls))
        values = {name.replace("-", "_"): value for name, value in given.items()}
        try:
            return cls(**check_types(convert_settings(values), typing.get_type_hints(cls)))
        except TypeError as error:
            raise InvalidValue(f"--config {path}: {error}") from error

    def list_differences(self, other: SweepConfig) -> list[str]:
        """Return one text per setting that affects the results and differs from `other`'s."""
        return list_differences(self, other)


def list_flags(config: type[SweepConfig]) -> list[str]:
    """List the names of the settings that people give, as on the command line but for the hyphens before them."""
    hints = typing.get_type_hints(config, include_extras=True)
    inner = {n for n, hint in hints.items() if INNER in getattr(hint, "__metadata__", ())}
    return [f.name.replace("_", "-") for f in dataclasses.fields(config) if f.name not in inner]


@Parameter(name="*", negative=())
@dataclass(frozen=True, kw_only=True)
class JobConfig(SweepConfig):
    """Settings of a submitted sweep: the search, and the cluster that runs it."""

    storage: str = ""
    """Storage root: an absolute path that exists on every node, or a URI [default: the cluster's own]."""
    address: str = "http://127.0.0.1:8265"
    """Dashboard of the Ray cluster. `ray dashboard CLUSTER.yaml` forwards it to this machine."""


def _make_absolute(path: Path | None) -> Path | None:
    return path and Path(os.path.abspath(os.path.expanduser(path)))
