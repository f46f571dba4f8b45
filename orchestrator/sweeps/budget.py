"""How many trials each unlearner has: an equal budget for all, or those that a front has of it.

Of a sweep with a budget of time and no number of trials, it is known once the time is over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.config import SweepConfig
from orchestrator.search.allocation import ADAPTIVE
from orchestrator.search.narrowing import narrow_space
from tasks.errors import InvalidValue
from tasks.unlearners import loaded_unlearner_class, unlearner_class

ENDLESS = 10**6
"""Trials of a method while time alone ends the sweep."""


def is_over(config: SweepConfig) -> bool:
    """Tell whether the time of a sweep with a budget of time is over: then its trials are those that it has."""
    return config.budget is not None and config.budgets is not None


def is_open(config: SweepConfig) -> bool:
    """Tell whether nobody knows yet how many trials a sweep will have, because time alone ends it."""
    return config.budget is not None and config.trials is None and config.budgets is None


def budgets(config: SweepConfig) -> dict[str, int]:
    """Trials of the whole sweep, by unlearner: one where there is nothing to search.

    A method that no longer exists counts as one that was searched.
    """
    if config.given is not None:
        return {name: len(config.given[name]) for name in config.unlearners}
    if is_over(config):
        return {name: int((config.budgets or {}).get(name, 0)) for name in config.unlearners}
    trials, searched = config.trials or (ENDLESS if config.budget else 1), list_searched(config)
    return {name: trials if name in searched else 1 for name in config.unlearners}


def list_searched(config: SweepConfig) -> list[str]:
    """List the methods of which there is anything to search; see `budgets`."""
    return [n for n in config.unlearners if missing(n) or narrow_space(n, config.set).domains]


def stored_budgets(config: SweepConfig) -> dict[str, int]:
    """Return what `budgets` says of a stored sweep, without importing code that the store names."""
    decided = config.budgets or {}
    budget: dict[str, int] = {}
    for name in config.unlearners:
        count = decided.get(name)
        if isinstance(count, int):
            budget[name] = count
        elif find_fault(name):
            budget[name] = config.trials or (ENDLESS if config.budget else 1)
        else:
            budget.update(budgets(replace(config, unlearners=(name,))))
    return budget


def missing(unlearner: str) -> str:
    """Say why no method of that name can be used; nothing if it can."""
    try:
        unlearner_class(unlearner)
    except InvalidValue as error:
        return str(error)
    return ""


def find_fault(unlearner: str) -> str:
    """Say why a method that a store names is not at hand; nothing if it is. No code of its own is imported."""
    try:
        loaded_unlearner_class(unlearner)
    except InvalidValue as error:
        return str(error)
    return ""


def trials_left(
    config: SweepConfig, finished: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, int]:
    """Trials still to be run, by unlearner; `finished` are the rows of those that are in the store."""
    ended, whole = count_ended(config, finished), budgets(config)
    left = {name: max(0, count - ended[name]) for name, count in whole.items()}
    # Where trials go to the methods that gain most, their number is one for all methods.
    surplus = sum(left.values()) - max(0, sum(whole.values()) - sum(ended.values()))
    while config.allocation == ADAPTIVE and surplus > 0:
        most = max(left, key=lambda name: left[name])
        taken = min(surplus, max(1, left[most] // 2))
        left[most] -= taken
        surplus -= taken
    return left


def count_per_method(config: SweepConfig, ended: Mapping[str, int]) -> int:
    """Return the least number of trials per method that drops none of those that have ended, by unlearner."""
    searched = list_searched(config)
    if config.allocation == ADAPTIVE and searched:  # their number is one for all methods
        return math.ceil(sum(ended.get(name, 0) for name in searched) / len(searched))
    return max(ended.values(), default=0)


def count_ended(
    config: SweepConfig, finished: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, int]:
    """Count the trials of each unlearner of a sweep that have ended; see `trials_left`."""
    ended = dict.fromkeys(config.unlearners, 0)
    for rows in finished.values():
        if rows[-1]["role"] == "trial" and rows[-1]["unlearner"] in ended:
            ended[rows[-1]["unlearner"]] += 1
    return ended
