"""Optuna's samplers by name. Each proposal is drawn from a seed of its own: see `sampler_named`."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.errors import InvalidValue
from tasks.registry import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


POPULATION = 20
"""Of NSGA-II and -III: their first proposals are drawn at random."""


def make_tpe(seed: int) -> BaseSampler:
    """Propose by tree-structured Parzen estimators: the default; its first 10 proposals are random."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def make_nsgaii(seed: int) -> BaseSampler:
    """Propose by the genetic algorithm NSGA-II; its first 20 proposals are random."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=POPULATION)


def make_nsgaiii(seed: int) -> BaseSampler:
    """Propose by the genetic algorithm NSGA-III; its first 20 proposals are random."""
    from optuna.samplers import NSGAIIISampler

    return NSGAIIISampler(seed=seed, population_size=POPULATION)


def make_gp(seed: int) -> BaseSampler:
    """Propose by Gaussian processes: few trials teach it much, each proposal takes seconds.

    With several objectives Optuna chooses by qLogEHVI (Ament et al., NeurIPS 2023, arXiv 2310.20708), which knows
    of the trials that run; the first 10 proposals are random.
    """
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed)


def make_random(seed: int) -> BaseSampler:
    """Propose at random, for comparison."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


SAMPLERS = Registry(
    "sampler",
    "orchestrator.samplers",
    {
        "tpe": "orchestrator.search.samplers:make_tpe",
        "nsgaii": "orchestrator.search.samplers:make_nsgaii",
        "nsgaiii": "orchestrator.search.samplers:make_nsgaiii",
        "gp": "orchestrator.search.samplers:make_gp",
        "random": "orchestrator.search.samplers:make_random",
    },
)
"""Called with `seed`, each returns a sampler: a function, or a class such as optuna.samplers:QMCSampler."""


RANDOM_AT_FIRST = {"nsgaii": POPULATION, "nsgaiii": POPULATION}
"""Trials of a method that these samplers draw at random before they learn from any."""


def derived_seed(*parts: str | int) -> int:
    """Derive a 31-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def check_sampler(name: str) -> None:
    """Raise InvalidValue unless `name` gives a sampler of Optuna."""
    from optuna.samplers import BaseSampler

    factory = SAMPLERS.resolve(name)
    try:
        with _experimental():
            made = factory(seed=0)
    except Exception as error:  # a plug-in may raise anything
        raise InvalidValue(f"sampler {name!r} cannot be made by (seed=0): {error}") from error
    if not isinstance(made, BaseSampler):
        raise InvalidValue(f"sampler {name!r} is not an optuna.samplers.BaseSampler")


def sampler_named(name: str, *parts: str | int) -> BaseSampler:
    """Make a fresh sampler, seeded by `parts`.

    Each proposal has its own: a sampler that is seeded once and reloaded after a crash would repeat its
    first draws.
    """
    with _experimental():
        made: BaseSampler = SAMPLERS.resolve(name)(seed=derived_seed(name, *parts))
    return made


def fixed(params: Mapping[str, Any], otherwise: BaseSampler) -> BaseSampler:
    """Make a sampler that proposes these values, and another one's for the parameters beside them."""
    from optuna.samplers import PartialFixedSampler

    with _experimental():
        return PartialFixedSampler(dict(params), otherwise)


@contextmanager
def _experimental() -> Iterator[None]:
    """Optuna warns of most of its samplers."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
