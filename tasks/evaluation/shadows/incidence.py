"""Which shadow model has which role for which target example: one balanced design for every attack.

A model is trained on all but the examples that are OUT for it, and then unlearns those that are UNLEARN.
"""

from __future__ import annotations

import numpy as np

from tasks.errors import InvalidValue

OUT, IN, UNLEARN = 0, 1, 2
"""Never seen; seen and kept; seen and unlearned."""
SHARES = ((OUT, 1), (IN, 1), (UNLEARN, 2))
"""Of each four models, how many have a role for an example."""
FEWEST_MODELS, MOST_MODELS = 8, 10**5
"""Models by which an attack can judge, and what no cluster trains."""


def assign_roles(models: int, targets: int, seed: int) -> np.ndarray:
    """Assign each target example its role in each model: int8 (models, targets).

    A quarter of the models has it OUT, a quarter IN, half UNLEARN. Raises InvalidValue unless `models` is a
    multiple of 4.
    """
    check_models(models)
    column = np.repeat([role for role, _ in SHARES], [n * models // 4 for _, n in SHARES])
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(column[:, None], (1, targets)), axis=0).astype(np.int8)


def check_models(models: int) -> None:
    """Raise InvalidValue unless so many shadow models can be balanced."""
    if not FEWEST_MODELS <= models <= MOST_MODELS or models % 4:
        raise InvalidValue(
            f"{str(models)[:30]} shadow models: valid are multiples of 4 in {FEWEST_MODELS}..{MOST_MODELS:,}"
        )
