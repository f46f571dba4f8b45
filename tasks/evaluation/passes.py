"""Outputs on demand: a split passes through the model when a metric first reads what came out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks.datasets.halves import held_out_halves
from tasks.evaluation.outputs import Outputs, outputs

if TYPE_CHECKING:
    from tasks.datasets.splits import Source, Split
    from tasks.models.network import Network

HALVES = ("validation", "test")
SEED = 0


def halve_forget_set(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the forgotten examples (N,) that steer the search, and of those that are reported."""
    return held_out_halves(labels, SEED)


class Pass(Outputs):
    """The outputs on one split, whose parts are passed when they are first read; labels are known without that.

    No part is passed twice. Only valid while the model stays as it is.
    """

    def __init__(
        self,
        read_labels: Callable[[], np.ndarray],
        read_parts: Callable[[], Sequence[np.ndarray]],
        look: Callable[[int], Outputs],
        kin: np.ndarray | None = None,
        absent: Collection[str] = (),
    ) -> None:
        """Take what reads the labels int64 (N,), what gives the positions of each part, and what passes a part.

        `kin` is as in Outputs. Of its other fields, those that are `absent` are None without a pass.
        """
        given = {"_read_labels": read_labels, "_read_parts": read_parts, "_look": look}
        self.__dict__.update(given, kin=kin, _seen={}, **dict.fromkeys(absent))

    @cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        """See Outputs."""
        found: np.ndarray = self.__dict__["_read_labels"]()
        return found

    @cached_property
    def whole(self) -> Outputs:
        """The outputs on all examples, with what is missing passed now."""
        parts: Sequence[np.ndarray] = self.__dict__["_read_parts"]()
        return join_parts(parts, [self.pass_part(number) for number in range(len(parts))])

    def pass_part(self, number: int) -> Outputs:
        """Return the outputs on a part of that number."""
        seen: dict[int, Outputs] = self.__dict__["_seen"]
        if number not in seen:
            seen[number] = self.__dict__["_look"](number)
        return seen[number]

    @cached_property
    def logits(self) -> np.ndarray:  # type: ignore[override]
        """See Outputs."""
        return self.whole.logits

    @cached_property
    def triggered(self) -> Outputs | None:  # type: ignore[override]
        """See Outputs."""
        return self.whole.triggered

    @cached_property
    def features(self) -> np.ndarray | None:  # type: ignore[override]
        """See Outputs."""
        return self.whole.features


def join_parts(parts: Sequence[np.ndarray], seen: Sequence[Outputs]) -> Outputs:
    """Join the outputs on the parts of a split at these positions; a split with triggers has one part."""
    if len(seen) == 1:
        return seen[0]
    logits, labels = (
        np.concatenate([getattr(o, name) for o in seen]) for name in ("logits", "labels")
    )
    kin, features = (
        None if getattr(seen[0], name) is None else np.concatenate([getattr(o, name) for o in seen])
        for name in ("kin", "features")
    )
    joined = Outputs(logits, labels, kin=kin, features=features)
    return joined.at(np.argsort(np.concatenate(parts)))


class JudgedSplits:
    """The splits that models are measured on, each with the kin of all images of its source, if it names any.

    The forget set passes half by half, so that its outputs are the same whichever half is needed first. The
    held-out halves pass once more with the forget set's trigger, if it plants one; `features` are kept of images
    whose kin is known.
    """

    def __init__(
        self,
        splits: Mapping[str, tuple[Split, np.ndarray | None]],
        triggered: Source | None,
        *,
        features: bool,
    ) -> None:
        self._splits, self._triggered, self._features = splits, triggered, features
        self._labels: dict[str, np.ndarray] = {}
        self._parts: dict[str, Sequence[np.ndarray]] = {}

    def pass_all(self, model: Network) -> dict[str, Outputs]:
        """Pass each split through `model` once."""
        return {name: seen.whole for name, seen in self.postpone(model).items()}

    def postpone(self, model: Network) -> dict[str, Pass]:
        """Return the same, with each part of a split passed when it is first read."""
        return {
            name: Pass(
                functools.partial(self._read_labels, name),
                functools.partial(self._read_parts, name),
                functools.partial(self._look, model, name),
                None if kin is None else kin[split.indices.numpy()],
                self._list_absent(name),
            )
            for name, (split, kin) in self._splits.items()
        }

    def _list_absent(self, name: str) -> list[str]:
        """List what is not kept of a split's images."""
        kept = {
            "features": self._features and self._splits[name][1] is not None,
            "triggered": self._triggered is not None and name in HALVES,
        }
        return [field for field, is_kept in kept.items() if not is_kept]

    def _look(self, model: Network, name: str, part: int) -> Outputs:
        """Pass a part of a split, with whatever else is kept of each image."""
        import torch

        split, kin = self._splits[name]
        if name == "forget":
            split = split.at(torch.from_numpy(self._read_parts(name)[part]))
        absent = self._list_absent(name)
        seen = outputs(model, split, features="features" not in absent)
        if kin is not None:
            seen = replace(seen, kin=kin[split.indices.numpy()])
        if self._triggered is None or "triggered" in absent:
            return seen
        return replace(seen, triggered=outputs(model, split.read_from(self._triggered)))

    def _read_labels(self, name: str) -> np.ndarray:
        if name not in self._labels:
            self._labels[name] = self._splits[name][0].labels().cpu().numpy()
        return self._labels[name]

    def _read_parts(self, name: str) -> Sequence[np.ndarray]:
        """Return the positions of the parts that a split passes in."""
        if name not in self._parts:
            whole = (np.arange(len(self._splits[name][0])),)
            is_halved = name == "forget"
            self._parts[name] = halve_forget_set(self._read_labels(name)) if is_halved else whole
        return self._parts[name]
