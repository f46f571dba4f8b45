"""One forward pass a split; every metric reads from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from tasks.errors import Diverged
from tasks.evaluation.logits import log_odds, softmax
from tasks.evaluation.looks.inside import Inside
from tasks.evaluation.references import ReferenceOutputs
from tasks.evaluation.shadows.outputs import Shadows

if TYPE_CHECKING:
    from tasks.datasets.splits import Split
    from tasks.models.network import Network

HeldOut = Literal["validation", "test"]
"""The half of the held-out data that steers the search, and the one that is reported."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says of one split: logits float32 (N, classes), labels int64 (N,)."""

    logits: np.ndarray
    labels: np.ndarray
    triggered: Outputs | None = None
    """What the model says of the same images with the forget set's trigger; None where it plants none."""
    kin: np.ndarray | None = None
    """The subclass or person (N,) of each image, where the forget set names such; see ForgetSet.kin_labels."""
    features: np.ndarray | None = None
    """What enters the head, float32 (N, D), where the forget set names persons."""

    def at(self, chosen: np.ndarray) -> Outputs:
        """Return the outputs at these positions (K,), without triggers."""
        rows = (self.logits, self.labels, self.kin, self.features)
        logits, labels, kin, features = (None if each is None else each[chosen] for each in rows)
        assert logits is not None
        assert labels is not None
        return Outputs(logits, labels, kin=kin, features=features)

    @cached_property
    def losses(self) -> np.ndarray:
        """Cross-entropy per example in nats, float64 (N,)."""
        logits = self.logits.astype(np.float64)
        top = logits.max(1, keepdims=True)
        log_total = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
        return log_total - logits[np.arange(len(self.labels)), self.labels]

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The softmax, float64 (N, classes)."""
        return softmax(self.logits)

    @cached_property
    def phi(self) -> np.ndarray:
        """The label's log odds φ = log p_y − log(1 − p_y), float64 (N,)."""
        return log_odds(self.logits, self.labels)

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether the top class is the label, bool (N,)."""
        return self.logits.argmax(1) == self.labels


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The outputs of one model on every split: all that a metric may look at."""

    retain: Outputs
    forget: Outputs
    validation: Outputs
    test: Outputs
    forgotten_classes: tuple[int, ...]
    """Classes that the retain set no longer has; empty when the forget set is a random share."""
    references: ReferenceOutputs | None = None
    """Outputs of models retrained without the forget set; None where none were trained."""
    reference: int | None = None
    """Which of the references this model is, if it is one: it is held against the others alone."""
    taught_errors: tuple[tuple[int, int], ...] = ()
    """Errors that the forget set's labels teach, as pairs (true class, class given instead)."""
    mislabelled: np.ndarray | None = None
    """Which forgotten examples have such a wrong label, bool (N,); None where labels are right."""
    gone_before: tuple[int, ...] = ()
    """Classes that earlier requests of a sequence emptied: neither forgotten now nor retained."""
    learned: Outputs | None = None
    """The outputs on the new examples of an update; None where the request brings none."""
    stale_labels: np.ndarray | None = None
    """The label that each of them had before, int64 (N,); None where no label changes."""
    original: Callable[[], Evaluation] | None = None
    """Gives the original model's outputs; None where no metric is asked for that needs them."""
    inside: Inside | None = None
    """The model itself, with those it is held against; None where no metric looks inside."""
    shadows: Shadows | None = None
    """The shadow models of the method; None where no metric asks for them."""

    @property
    def unretained_classes(self) -> tuple[int, ...]:
        """List the classes that no longer have a training example."""
        return (*self.gone_before, *self.forgotten_classes)

    def held_out(self, half: HeldOut) -> Outputs:
        """Give the outputs on the validation or on the test half."""
        return self.validation if half == "validation" else self.test

    def mean_over_references(self, values: np.ndarray) -> float:
        """Average K values, each from the references without one of them.

        A reference has one such value, whose references it is not among.
        """
        return float(values.mean() if self.reference is None else values[self.reference])


def outputs(model: Network, split: Split, *, features: bool = False) -> Outputs:
    """Run `model` once over `split` in evaluation mode, and keep the `features` too; its mode is restored.

    Raises Diverged if any logit is NaN or infinite.
    """
    import torch

    was_training = model.training
    model.eval()
    logits, labels, entered = [], [], []
    with torch.inference_mode():
        for x, y in split.ordered():
            if features:
                read, given = model.features_and_logits(x)
                entered.append(read)
            else:
                given = model(x)
            logits.append(given)
            labels.append(y)
    model.train(was_training)
    values = torch.cat(logits).cpu().numpy()
    if not np.isfinite(values).all():
        raise Diverged("diverged: the model's outputs are not finite")
    kept = torch.cat(entered).cpu().numpy() if features else None
    return Outputs(values, torch.cat(labels).cpu().numpy(), features=kept)
