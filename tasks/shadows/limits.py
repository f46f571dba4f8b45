"""What shadow models cannot judge; read before anything is trained, without torch."""

from __future__ import annotations

from collections.abc import Collection

from tasks.errors import InvalidValue
from tasks.evaluation import metric_named
from tasks.evaluation.metric import Needs
from tasks.evaluation.shadows.incidence import check_models
from tasks.needs import list_trained
from tasks.roles import FEWEST_HALVED
from tasks.unlearners.base import Unlearner


def can_study(unlearner: Unlearner, needs: Collection[Needs], models: int, references: int) -> bool:
    """Tell whether metrics with such needs can judge this method: see `check_study`."""
    try:
        check_study(unlearner, needs, models, references)
    except InvalidValue:
        return False
    return True


def list_unhalved(metrics: Collection[str], references: int) -> list[str]:
    """List the metrics over seeds that so few references leave null."""
    return [name for name in metrics if references < metric_named(name).fewest_references]


def check_study(
    unlearner: Unlearner, needs: Collection[Needs], models: int, references: int
) -> None:
    """Raise InvalidValue if metrics with such needs cannot judge this method by so many models."""
    if not {"shadows", "repeats"} & {*needs}:
        return
    who, trained = type(unlearner).__name__, list_trained(unlearner.needs)
    if trained:
        raise InvalidValue(
            f"{who} needs {', '.join(trained)} of the original's training, which no shadow model has: "
            "metrics by shadow models cannot judge it"
        )
    if "shadows" in needs:
        check_models(models)
        if unlearner.class_forgetting:
            raise InvalidValue(f"{who} forgets whole classes: shadow models forget single examples")
    if "repeats" in needs and references < FEWEST_HALVED:
        raise InvalidValue(
            f"{references} references: metrics over seeds compare two halves of them; valid: {FEWEST_HALVED} or more"
        )
