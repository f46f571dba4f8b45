"""RUM, the refined-unlearning meta-algorithm (Zhao et al., 2024, "What makes unlearning hard and what to do about it",
NeurIPS), with proxies of memorisation (Zhao and Triantafillou, 2024, "Scalability of memorization-based machine
unlearning").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tasks.errors import InvalidValue
from tasks.registry import one_of
from tasks.search_space import Categorical, Float, Parameter, parameters
from tasks.unlearners.base import Passes, Unlearner, begin_unlearning
from tasks.unlearners.passes import Sizes
from tasks.unlearners.steps.distillation import entropy
from tasks.unlearners.verified import Verified

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.datasets.splits import Split
    from tasks.models.network import Network
    from tasks.problem import Problem

NOTHING = "nothing"
SPELLED = re.compile(r"([^()\s]+)(?:\((.*)\))?")
PARTS = ("low", "medium", "high")


@dataclass(frozen=True)
class RefinedUnlearning(Unlearner):
    """Cut the forget set in three by memorisation and unlearn part after part, each its own way (Zhao et al., 2024).

    From low to high memorisation: θ_i = U_i(θ_{i−1}; forget part i; retain set and the parts after i), where "the
    original" of U_i is θ_{i−1}. Their best for CIFAR-10 is nothing, then finetune, then salun. They measure
    memorisation by many trained models, and proxies over the course of a training; here the proxies are those of θ0
    alone: −log p_y (confidence), −log max p (max-confidence) or H(p) (entropy), in evaluation mode.
    """

    verified: ClassVar[Verified] = Verified(
        "authors' code, kairanzhao/RUM, in part; the recipe of each part is not verified",
        (
            "one part that is the whole is the method itself",
            "the three parts are three methods in turn",
        ),
    )
    passes: ClassVar[Passes] = Passes()

    proxy: Annotated[str, Categorical(("confidence", "max-confidence", "entropy"))] = "confidence"
    """What stands for how far an example is memorised."""
    lr_factor: Annotated[float, Float(0.1, 10.0, log=True, above=0)] = 1.0
    """Factor on the learning rates of the three methods, within the ranges that these declare."""
    low: str = NOTHING
    """Method of the least memorised part: NAME, or NAME(lr=.01,epochs=3) for other than its defaults; or nothing."""
    medium: str = "finetune"
    """Method of the middle part."""
    high: str = "salun"
    """Method of the most memorised part."""
    low_share: float = 1 / 3
    """Share of the forget set in the least memorised part."""
    medium_share: float = 1 / 3
    """Share of the forget set in the middle part; the rest is the most memorised one."""

    def __post_init__(self) -> None:
        """Raise InvalidValue, before anything runs, for what cannot be a part's method or its share."""
        self.methods()
        if self.low_share + self.medium_share > 1 + 1e-9:
            both = f"low_share={self.low_share} and medium_share={self.medium_share}"
            raise InvalidValue(f"rum: {both} are more than the whole; valid: a sum of at most 1")

    def unlearn(self, problem: Problem) -> Iterator[None]:
        """Yields once."""
        methods, parts = self.methods(), self.refine(problem)
        for number, (method, part) in enumerate(zip(methods, parts, strict=True)):
            if method is not None and len(part):
                for _ in begin_unlearning(method, stage(problem, part, parts[number + 1 :])):
                    pass
        yield

    def methods(self) -> list[Unlearner | None]:
        """Read the methods of the parts; None where nothing is done."""
        return [read_method(getattr(self, part), self.lr_factor) for part in PARTS]

    def refine(self, problem: Problem) -> list[Split]:
        """Cut the forget set into parts, the least memorised first, each in stored order."""
        order = memorisation(problem.model, problem.forget, self.proxy).argsort(stable=True)
        chosen = order.split(self.sizes(len(order)))
        return [problem.forget.select(positions.sort().values) for positions in chosen]

    def sizes(self, count: int) -> list[int]:
        """Return how many of `count` examples are in each part."""
        low = round(self.low_share * count)
        end = min(round((self.low_share + self.medium_share) * count), count)
        return [low, end - low, count - end]

    @classmethod
    def count_samples(cls, sizes: Sizes, values: Mapping[str, Any]) -> float:
        """Add up what the methods of the parts read, by their own declarations."""
        fields = (*PARTS, "low_share", "medium_share")
        rum = cls(**{name: values.get(name, getattr(cls, name)) for name in fields})
        left, total = sizes.forget, 0.0
        for method, count in zip(rum.methods(), rum.sizes(sizes.forget), strict=True):
            left -= count
            if method is not None and count:
                own = replace(sizes, retain=sizes.retain + left, forget=count)
                total += type(method).count_samples(own, method.params)
        return total


def read_method(text: str, lr_factor: float = 1.0) -> Unlearner | None:
    """Make the method that a text such as `scrub(lr=.001)` spells; None for nothing.

    Raises InvalidValue, in one line, for an unknown name or a bad value, and for a method that cannot have a part.
    """
    from tasks.unlearners import unlearner_class

    if text == NOTHING:
        return None
    spelled = SPELLED.fullmatch(text)
    if spelled is None:
        raise InvalidValue(
            f"rum: {text!r} is no method; valid: {NOTHING}, NAME or NAME(SETTING=VALUE,…)"
        )
    cls = unlearner_class(spelled[1])
    known, values = parameters(cls), {}
    for setting in filter(None, (spelled[2] or "").split(",")):
        name, _, value = setting.partition("=")
        of = f"hyper-parameter of {spelled[1]}"
        values[name] = known[one_of(of, name.strip(), known)].parse(value.strip())
    if cls.class_forgetting or cls.needs or issubclass(cls, RefinedUnlearning):
        why = "needs more than two sets" if cls.needs else "forgets whole classes"
        why = "has parts itself" if issubclass(cls, RefinedUnlearning) else why
        raise InvalidValue(f"rum: {spelled[1]} {why}; valid: {NOTHING} and other methods")
    if "lr" in known and lr_factor != 1:
        values["lr"] = scaled(known["lr"], values.get("lr", known["lr"].default), lr_factor)
    return cls.from_params(values)


def scaled(lr: Parameter, value: float, factor: float) -> float:
    """Multiply a learning rate, within the range that is searched, if it has one, or up to the given value."""
    if isinstance(lr.domain, Float):
        low, high = min(lr.domain.low, value), max(lr.domain.high, value)
        return min(max(value * factor, low), high)
    return value * factor


def memorisation(model: Network, split: Split, proxy: str) -> Tensor:
    """Score each example (N,) by how far `model` seems to have memorised it; the modes are as before."""
    import torch

    training, found = model.training, []
    model.eval()
    with torch.no_grad():
        for x, y in split.ordered():
            logits = model(x)
            log_p = logits.log_softmax(1)
            if proxy == "entropy":
                found.append(entropy(logits))
            elif proxy == "max-confidence":
                found.append(-log_p.max(1).values)
            else:
                found.append(-log_p.gather(1, y[:, None])[:, 0])
    model.train(training)
    return torch.cat(found).cpu()


def stage(problem: Problem, part: Split, later: Sequence[Split]) -> Problem:
    """Make the problem of one part: the parts after it are still retained, and the original is the model as it is."""
    retain, left = problem.retain, set(problem.forgotten_classes)
    for other in later:
        if len(other):
            retain = retain.joined(other)
            left -= set(other.labels().tolist())
    start = {name: tensor.clone() for name, tensor in problem.model.state_dict().items()}

    def original() -> Network:
        model = problem.make_blank()
        model.load_state_dict(start)
        return model

    return replace(
        problem,
        retain=retain,
        forget=part,
        forgotten_classes=tuple(c for c in problem.forgotten_classes if c in left),
        make_original=original,
    )
