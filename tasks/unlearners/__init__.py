"""The unlearning methods: one file each, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.problem import check_needs
from tasks.registry import Registry

if TYPE_CHECKING:
    from tasks.unlearners.base import Unlearner

UNLEARNERS = Registry(
    "unlearner",
    "orchestrator.unlearners",
    {
        "retrain": "tasks.unlearners.exact.retrain:Retrain",
        "finetune": "tasks.unlearners.finetuning.finetune:Finetune",
        "finetune-l2sp": "tasks.unlearners.finetuning.finetune_l2sp:FinetuneL2SP",
        "finetune-l1": "tasks.unlearners.finetuning.finetune_l1:FinetuneL1",
        "gradient-ascent": "tasks.unlearners.ascent.gradient_ascent:GradientAscent",
        "negative-gradient+": "tasks.unlearners.ascent.negative_gradient_plus:NegativeGradientPlus",
        "random-labels": "tasks.unlearners.relabelling.random_labels:RandomLabels",
        "ssd": "tasks.unlearners.weight_editing.ssd:SelectiveSynapticDampening",
        "lfssd": "tasks.unlearners.weight_editing.lfssd:LossFreeDampening",
        "assd": "tasks.unlearners.weight_editing.assd:AdaptiveDampening",
        "jit": "tasks.unlearners.weight_editing.jit:JustInTime",
        "kodge": "tasks.unlearners.weight_editing.kodge:SingularValueProjection",
        "pgu": "tasks.unlearners.ascent.pgu:ProjectedGradient",
        "woodfisher": "tasks.unlearners.second_order.woodfisher:WoodFisher",
        "newton-cg": "tasks.unlearners.second_order.newton_cg:NewtonStep",
        "fisher-forgetting": "tasks.unlearners.second_order.fisher_forgetting:FisherForgetting",
        "noisy-finetune": "tasks.unlearners.noise.noisy_finetune:NoisyFinetune",
        "task-negation": "tasks.unlearners.arithmetic.task_negation:TaskNegation",
        "negmerge": "tasks.unlearners.arithmetic.negmerge:NegMerge",
        "certified-deep": "tasks.unlearners.second_order.certified_deep:StochasticNewton",
    },
)


def unlearner_class(name: str) -> type[Unlearner]:
    """Find the class of a registered method, of a plug-in, or of `module:Class`.

    Raises InvalidValue: for an unknown name, listing the valid ones, for a broken plug-in, and for a
    method that needs what no problem offers.
    """
    cls = UNLEARNERS.resolve(name)
    from tasks.unlearners.base import Unlearner

    if not (isinstance(cls, type) and issubclass(cls, Unlearner)):
        raise InvalidValue(
            f"unlearner {name!r} is not a subclass of tasks.unlearners.base.Unlearner"
        )
    check_needs(f"unlearner {name!r}", cls.needs)
    return cls
