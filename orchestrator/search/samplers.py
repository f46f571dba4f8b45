"""Optuna's samplers by name. Each proposal is drawn from a seed of its own: see `sampler_named`."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


POPULATION = 20
"""Of NSGA-II and -III: their first proposals are drawn at random, and points on the way are no members."""


def _tpe(seed: int) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _nsgaii(seed: int) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _nsgaiii(seed: int) -> BaseSampler:
    from optuna.samplers import NSGAIIISampler

    return NSGAIIISampler(seed=seed, population_size=POPULATION)


def _gp(seed: int) -> BaseSampler:
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "nsgaii": _nsgaii,
    "nsgaiii": _nsgaiii,
    "gp": _gp,
    "random": _random,
}


RANDOM_AT_FIRST = {"nsgaii": POPULATION, "nsgaiii": POPULATION}
"""Trials of a method that these samplers draw at random before they learn from any."""


def derived_seed(*parts: str | int) -> int:
    """A 31-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def sampler_named(name: str, *parts: str | int) -> BaseSampler:
    """A fresh sampler seeded by `parts`.

    One per proposal: a sampler that is seeded once and reloaded after a crash would repeat its
    first draws.
    """
    with _experimental():
        return SAMPLERS[name](derived_seed(name, *parts))


def fixed(params: Mapping[str, Any], otherwise: BaseSampler) -> BaseSampler:
    """A sampler that proposes these values, and for parameters beside them what another one does."""
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
