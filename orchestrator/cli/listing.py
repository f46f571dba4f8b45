"""`orchestrator list`: the entries of the registries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.loggers import LOGGERS
from orchestrator.results.columns import COLUMNS, SEQUENCE
from orchestrator.results.objectives import OBJECTIVES
from orchestrator.search.samplers import SAMPLERS
from tasks.datasets import DATASETS
from tasks.datasets.loaders import LOADERS
from tasks.errors import InvalidValue
from tasks.evaluation import METRICS, TRAINS, every_metric
from tasks.forget_sets import FORGET_SETS
from tasks.models import AUTO, MODELS, find_recipe
from tasks.models.recipe_settings import list_settings
from tasks.needs import NEEDS, need_class
from tasks.recipe import Recipe
from tasks.registry import Registry
from tasks.search_space import Numbers, Parameter, parameters
from tasks.sequences.task_names import TASKS
from tasks.unlearners import UNLEARNERS, list_families, unlearner_class
from tasks.unlearners.verified import verified_of


def _described(registry: Registry, own: str) -> Iterator[str]:
    """Give the first line of the docstring of each entry, plug-ins included; then how one's `own` is named."""
    yield from (f"{name}: {_first_line(registry, name)}" for name in registry.names())
    yield f"{own}: your own (docs/your-own.md)"


def _first_line(registry: Registry, name: str) -> str:
    """Return the first line of what a docstring says; of a broken plug-in, why it is broken."""
    try:
        return (registry.resolve(name).__doc__ or "").partition("\n")[0]
    except InvalidValue as error:
        return str(error)


def _tasks() -> Iterator[str]:
    yield from (f"{name}: {what}" for name, what in TASKS.items())


def _unlearners() -> Iterator[str]:
    families = list_families()
    others = [name for name in UNLEARNERS.names() if name not in UNLEARNERS]
    for family, names in {**families, **({"plug-ins": others} if others else {})}.items():
        chosen = f" (--unlearners family:{family})" if family in families else ""
        yield f"== {family}{chosen}"
        for name in names:
            yield from _unlearner(name)
    yield "== your own"
    yield "module:Class: a frozen dataclass with unlearn(problem) (docs/your-own.md)"
    yield "== what a method may need"
    yield from (f"{need}: {_spell_need(need)}" for need in NEEDS.names())


def _spell_need(name: str) -> str:
    """Say what a need is, and what it costs before the trials; a broken plug-in says why."""
    try:
        need = need_class(name)
    except InvalidValue as error:
        return str(error)
    cost = f" [costs about {need.trainings:g} trainings, once]" if need.trainings else ""
    return f"{(need.__doc__ or '').splitlines()[0]}{cost}"


def _unlearner(name: str) -> Iterator[str]:
    """Yield what a method does, what it needs, and its hyper-parameters; a broken plug-in says why."""
    try:
        cls = unlearner_class(name)
    except InvalidValue as error:
        yield f"{name}: {error}"
        return
    limits = [f"needs {', '.join(sorted(cls.needs))}"] if cls.needs else []
    limits += ["forgets whole classes only"] if cls.class_forgetting else []
    limits += ["changes convolutions"] if cls.changes_convolutions else []
    limits += [] if cls.anytime else ["its last epoch alone counts"]
    told = f" [{'; '.join(limits)}]" if limits else ""
    yield f"{name}: {(cls.__doc__ or '').splitlines()[0]}{told}"
    yield f"    verified: {verified_of(cls) or 'nothing is said'}"
    for p in parameters(cls).values():
        yield f"    {p.name} = {p.default}{_spell_domain(p)}: {' '.join(p.help.split())}"


def _spell_domain(parameter: Parameter) -> str:
    """Say what is searched, and what may be set where that is more."""
    domain, valid = parameter.domain, parameter.declared
    if domain is None:
        return f" {valid.spell_valid()}, not searched" if valid else ", not searched"
    wider = isinstance(domain, Numbers) and domain.is_wider
    return f" in {domain}{f', valid {domain.spell_valid()}' if wider else ''}"


def _metrics() -> Iterator[str]:
    for name, metric in every_metric().items():
        asked = " [on request: --metrics]" if metric.tier == "request" else ""
        asked = " [run --metrics; trains shadow models]" if metric.needs in TRAINS else asked
        yield f"{name}{asked}: {metric.help}"
    yield f"entry points of the group {METRICS.group}: your own (docs/your-own.md)"


def _objectives() -> Iterator[str]:
    for name, o in OBJECTIVES.items():
        pairs = zip(o.metrics, o.directions, strict=True)
        what = ", ".join(f"{direction} {metric}" for metric, direction in pairs)
        yield f"{name}: {what} ({o.help})"
    yield "METRIC:DIRECTION,…: your own, of any metric or cost"
    yield "--require 'METRIC>=VALUE' or '<=': a limit beside any of them, of any metric but those of the test half"


def _models() -> Iterator[str]:
    from tasks.models.own import OwnModel

    for name in MODELS:
        uses = [f"{d} on {dev} ({s})" for d, a in AUTO.items() for dev, s in a.items()]
        chosen = [use for use in uses if f"({name}" in use]
        yield f"{name}: auto for {'; '.join(chosen)}" if chosen else name
        yield f"    --recipe {list_settings(find_recipe(name))}"
    for name in MODELS.names()[len(MODELS) :]:
        yield f"{name}: {_first_line(MODELS, name)} [plug-in]"
    yield "module:function: your own, which returns a torch module for (channels, classes)"
    yield f"    --recipe {list_settings(OwnModel.recipe)}"
    yield "== what --recipe may set"
    for p in parameters(Recipe).values():
        yield f"    {p.name}: {' '.join(p.help.split())}"


def _columns() -> Iterator[str]:
    for column in (*COLUMNS.values(), *SEQUENCE):
        unit = f" [{column.unit}]" if column.unit else ""
        of_sequence = "; in the rows of a sequence alone" if column in SEQUENCE else ""
        yield f"{column.name} ({column.type}){unit}: {column.help}{of_sequence}"


SWEEPS = "sweeps"
"""What is listed from a storage root, not from a registry."""
LISTINGS: dict[str, Callable[[], Iterator[str]]] = {
    "tasks": _tasks,
    "datasets": lambda: _described(DATASETS, "module:function"),
    "forget-sets": lambda: _described(FORGET_SETS, "module:Class"),
    "unlearners": _unlearners,
    "metrics": _metrics,
    "objectives": _objectives,
    "models": _models,
    "samplers": lambda: _described(SAMPLERS, "module:function"),
    "loaders": lambda: (f"{name}: {what}" for name, what in LOADERS.items()),
    "loggers": lambda: _described(LOGGERS, "module:Class"),
    "columns": _columns,
}
