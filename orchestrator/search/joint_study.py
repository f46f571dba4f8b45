"""The study with the trials of all methods of a sweep, whose best trials are the common front."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

COMMON = "front"
"""Name of the study, after the sweep's."""
UNLEARNER = "unlearner"
"""Parameter of that study: the method."""


def make_joint(trial: FrozenTrial, unlearner: str, methods: Sequence[str]) -> FrozenTrial:
    """Return a trial of one method as one of the study of all.

    The method is a parameter. Each hyper-parameter is METHOD.NAME, because two methods may search one of the same
    name in different domains.
    """
    joint = copy.copy(trial)
    spaces = {f"{unlearner}.{name}": space for name, space in trial.distributions.items()}
    values = {f"{unlearner}.{name}": value for name, value in trial.params.items()}
    joint.distributions = {UNLEARNER: CategoricalDistribution(tuple(methods)), **spaces}
    joint.params = {UNLEARNER: unlearner, **values}
    return joint
