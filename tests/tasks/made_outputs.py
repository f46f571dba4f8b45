"""Outputs of models that never were: with given losses, or at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.evaluation import measure
from tasks.evaluation.outputs import Evaluation, Outputs
from tasks.evaluation.references import SPLITS, ReferenceOutputs


def made(losses: np.ndarray, labels: np.ndarray | None = None, classes: int = 4) -> Outputs:
    """Outputs whose cross-entropies are `losses`: two classes share the probability."""
    labels = np.zeros(len(losses), np.int64) if labels is None else labels
    p = np.exp(-np.asarray(losses, np.float64))
    logits = np.full((len(losses), classes), -1e4)
    rows = np.arange(len(losses))
    logits[rows, labels] = np.log(p)
    logits[rows, (labels + 1) % classes] = np.log1p(-p)
    return Outputs(logits, labels)


def drawn(count: int, scale: float, seed: int) -> np.ndarray:
    """Random losses."""
    return np.random.default_rng(seed).exponential(scale, count) + 1e-3


def evaluation(forgotten: tuple[int, ...] = (), **parts: Outputs) -> Evaluation:
    """An evaluation in which every split is the same, unless said otherwise."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(200) % 4)
    split = Outputs(rng.normal(size=(200, 4)).astype(np.float32), labels)
    whole = {name: split for name in ("retain", "forget", "validation", "test")}
    return Evaluation(**{**whole, **parts}, forgotten_classes=forgotten)


CLASSES = 4
LABELS = {
    "retain": np.arange(400) % CLASSES,
    "forget": np.arange(800) % CLASSES,
    "validation": np.arange(400) % CLASSES,
    "test": np.arange(400) % CLASSES,
}
EASE = {name: np.random.default_rng(7).normal(size=len(y)) for name, y in LABELS.items()}
"""How easy an example is, for every model alike."""


def model_outputs(seed: int, *, on_forget: float = 0.0) -> dict[str, Outputs]:
    """Outputs of a model that is as sure of an example as it is easy, and of the forget set by more."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, labels in LABELS.items():
        logits = rng.normal(size=(len(labels), CLASSES)) / 2
        logits[np.arange(len(labels)), labels] += 2 + 2 * EASE[name]
        logits[np.arange(len(labels)), labels] += on_forget if name == "forget" else 0.0
        found[name] = Outputs(logits.astype(np.float32), labels)
    return found


def taught(model: dict[str, Outputs]) -> dict[str, Outputs]:
    """The same outputs of images with persons, and on held-out ones with a trigger those of another model."""
    other = model_outputs(77)
    shown = {n: replace(seen, kin=seen.labels, features=seen.logits) for n, seen in model.items()}
    halves = {n: replace(shown[n], triggered=other[n]) for n in ("validation", "test")}
    return shown | halves


def references(count: int) -> ReferenceOutputs:
    """Models alike but for chance, which never saw the forget set."""
    models = [model_outputs(100 + number) for number in range(count)]
    logits = {n: np.stack([m[n].logits for m in models]) for n in SPLITS}
    return ReferenceOutputs(**logits, verification=np.full((count, 2), 0.5))


def held_against(
    model: dict[str, Outputs],
    count: int = 4,
    *,
    forgotten: tuple[int, ...] = (),
    reference: int | None = None,
) -> Evaluation:
    """A model beside so many references; it may be one of them."""
    return Evaluation(
        **model, forgotten_classes=forgotten, references=references(count), reference=reference
    )


def held(on_forget: float, **more: object) -> Evaluation:
    """Make a model beside the references, with an original that fits the forget set."""
    known = held_against(model_outputs(2, on_forget=3.0), 4)
    case = held_against(model_outputs(1, on_forget=on_forget), 4, **more)  # type: ignore[arg-type]
    return replace(case, original=lambda: known)


def asked(case: Evaluation, *names: str) -> dict[str, float | None]:
    """Measure these metrics alone."""
    found = measure(case, names)
    return {name: found[name] for name in names}
