"""The unlearning methods: one file each, and one line here."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.needs import check_needs
from tasks.registry import REFERENCE, Registry, one_of

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
        "prune-finetune": "tasks.unlearners.finetuning.prune_finetune:PruneFinetune",
        "cf-k": "tasks.unlearners.finetuning.cf_k:CatastrophicForgettingK",
        "not": "tasks.unlearners.finetuning.weight_negation:WeightNegation",
        "uam": "tasks.unlearners.finetuning.uam:UnlearningAwareMinimization",
        "gradient-ascent": "tasks.unlearners.ascent.gradient_ascent:GradientAscent",
        "negative-gradient+": "tasks.unlearners.ascent.negative_gradient_plus:NegativeGradientPlus",
        "ascent-descent": "tasks.unlearners.ascent.ascent_descent:AscentDescent",
        "gdr-gma": "tasks.unlearners.ascent.gdr_gma:RectifiedGradients",
        "munba": "tasks.unlearners.ascent.munba:NashBargaining",
        "sfron": "tasks.unlearners.ascent.sfron:FastSlowRemain",
        "scissorhands": "tasks.unlearners.ascent.scissorhands:Scissorhands",
        "eu-k": "tasks.unlearners.reinitialising.eu_k:ExactUnlearningK",
        "msg": "tasks.unlearners.reinitialising.msg:MaskedSmallGradients",
        "ct": "tasks.unlearners.reinitialising.ct:ConvolutionTranspose",
        "cfw": "tasks.unlearners.reinitialising.cfw:ConfusedWeights",
        "rni": "tasks.unlearners.reinitialising.rni:NoisyRandomLayers",
        "duck": "tasks.unlearners.reinitialising.duck:CentroidKinematics",
        "random-labels": "tasks.unlearners.relabelling.random_labels:RandomLabels",
        "salun": "tasks.unlearners.relabelling.salun:SalUn",
        "boundary-shrink": "tasks.unlearners.relabelling.boundary_shrink:BoundaryShrink",
        "boundary-expand": "tasks.unlearners.relabelling.boundary_expand:BoundaryExpand",
        "unsir": "tasks.unlearners.relabelling.unsir:Unsir",
        "natmu": "tasks.unlearners.relabelling.natmu:NaturalUnlearning",
        "amun": "tasks.unlearners.relabelling.amun:Amun",
        "l2ul": "tasks.unlearners.relabelling.l2ul:LearningToUnlearn",
        "del": "tasks.unlearners.relabelling.example_localization:DeletionByExampleLocalization",
        "scrub": "tasks.unlearners.distillation.scrub:Scrub",
        "scrub+r": "tasks.unlearners.distillation.scrub:ScrubRewind",
        "bad-teacher": "tasks.unlearners.distillation.bad_teacher:BadTeacher",
        "delete": "tasks.unlearners.distillation.delete:Delete",
        "npo": "tasks.unlearners.distillation.npo:NegativePreferenceOptimisation",
        "fcs": "tasks.unlearners.distillation.fcs:ForgetContrastRetain",
        "lotus": "tasks.unlearners.distillation.lotus:LogitTempering",
        "regun": "tasks.unlearners.distillation.regun:ReferenceGuided",
        "kde": "tasks.unlearners.distillation.kde:ResetAndDistil",
        "prmq": "tasks.unlearners.distillation.prmq:PruneReinitialiseMatchQuantise",
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
        "r2d": "tasks.unlearners.training_time.r2d:RewindToDelete",
        "amnesiac": "tasks.unlearners.training_time.amnesiac:Amnesiac",
        "sisa": "tasks.unlearners.training_time.sisa:Sisa",
        "sisa-clusters": "tasks.unlearners.training_time.sisa:ClusteredSisa",
        "langevin": "tasks.unlearners.training_time.langevin:Langevin",
        "rum": "tasks.unlearners.meta.rum:RefinedUnlearning",
    },
)


ALL, FAMILY, EXACT = "all", "family", "exact"
"""Words of `--unlearners`; and the family of exact retraining, which every sweep stores as baseline rows."""


def list_families() -> dict[str, list[str]]:
    """Return the names of this package's methods by family: the folder of their files."""
    found: dict[str, list[str]] = {}
    for name, reference in UNLEARNERS.items():
        found.setdefault(reference.split(".")[2], []).append(name)
    return found


def expand_names(asked: Iterable[str]) -> tuple[str, ...]:
    """Replace `all` and `family:NAME` by the names of the methods that they stand for.

    `all` leaves out exact retraining. Raises InvalidValue for an unknown family, listing the valid ones.
    """
    families, names = list_families(), []
    for word in asked:
        kind, _, family = word.partition(":")
        if word == ALL:
            names += [n for f, members in families.items() if f != EXACT for n in members]
        elif kind == FAMILY:
            names += families[one_of("family", family, families)]
        else:
            names.append(word)
    return tuple(names)


def list_needing(names: Iterable[str], need: str) -> list[str]:
    """List those of the methods that declare this need, a name of tasks.needs.NEEDS."""
    return [name for name in names if need in unlearner_class(name).needs]


def list_needs(names: Iterable[str]) -> set[str]:
    """Collect what the methods of these names declare in `needs`."""
    return {need for name in names for need in unlearner_class(name).needs}


def loaded_unlearner_class(name: str) -> type[Unlearner]:
    """Find a class as `unlearner_class` does, but import no module that only `name` names.

    `name` may come from a store, which is data. Raises InvalidValue if `name` is `module:Class` and the
    module is not imported yet.
    """
    module = name.partition(":")[0]
    if REFERENCE.fullmatch(name) and name not in UNLEARNERS and module not in sys.modules:
        raise InvalidValue(f"unlearner {name!r} is code that the store names: it was not imported")
    return unlearner_class(name)


def unlearner_class(name: str) -> type[Unlearner]:
    """Find the class of a registered method, of a plug-in, or of `module:Class`.

    Raises InvalidValue: for an unknown name, listing the valid ones, for a broken plug-in, for a method that
    needs what no problem offers, and for a mistake in the declaration of one that is not this package's.
    """
    cls = UNLEARNERS.resolve(name)
    from tasks.unlearners.base import Unlearner
    from tasks.unlearners.declaration import check_declaration

    if not (isinstance(cls, type) and issubclass(cls, Unlearner)):
        raise InvalidValue(
            f"unlearner {name!r} is not a subclass of tasks.unlearners.base.Unlearner"
        )
    check_needs(f"unlearner {name!r}", cls.needs)
    if name not in UNLEARNERS:  # the others are checked by a test, not at each start
        check_declaration(f"unlearner {name!r}", cls, Unlearner)
    return cls
