"""Outputs on demand: a split passes through the model when a metric first reads what came out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.outputs import Outputs, outputs

if TYPE_CHECKING:
    from tasks.datasets.splits import Source, Split
    from tasks.models.network import Network

HALVES = ("validation", "test")

Look = Callable[[np.ndarray | None], Outputs]
"""Passes the examples at these positions of a split, or all, through the model."""


class Pass(Outputs):
    """The outputs on one split, which is passed when they are first read; labels are known without that.

    Of a part that is read by `read_part` nothing else is passed. Only valid while the model stays as it is.
    """

    def __init__(
        self,
        read_labels: Callable[[], np.ndarray],
        look: Look,
        kin: np.ndarray | None = None,
        absent: Collection[str] = (),
    ) -> None:
        """Take what reads the labels int64 (N,), and what passes the split; `kin` as in Outputs.

        Of the other fields of Outputs, those that are `absent` are None without a pass.
        """
        self.__dict__.update(kin=kin, _read_labels=read_labels, _look=look, **dict.fromkeys(absent))

    @cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        """See Outputs."""
        found: np.ndarray = self.__dict__["_read_labels"]()
        return found

    @cached_property
    def whole(self) -> Outputs:
        """The outputs on all examples."""
        found: Outputs = self.__dict__["_look"](None)
        return found

    @property
    def is_passed(self) -> bool:
        """Whether the whole split has been passed."""
        return "whole" in self.__dict__

    def pass_part(self, chosen: np.ndarray) -> Outputs:
        """Pass the examples at these positions (K,) alone."""
        found: Outputs = self.__dict__["_look"](chosen)
        return found

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


def read_part(seen: Outputs, chosen: np.ndarray) -> Outputs:
    """Return the logits and labels at these positions (K,) of a split."""
    if isinstance(seen, Pass) and not seen.is_passed:
        return seen.pass_part(chosen)
    return Outputs(seen.logits[chosen], seen.labels[chosen])


class JudgedSplits:
    """The splits that models are measured on, each with the kin of all images of its source, if it names any.

    The held-out halves pass once more with the forget set's trigger, if it plants one; `features` are kept of
    images whose kin is known.
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

    def pass_all(self, model: Network, validation: Outputs | None = None) -> dict[str, Outputs]:
        """Pass each split through `model` once, but for the `validation` half if it is given."""
        given = {} if validation is None else {"validation": validation}
        return {name: given.get(name) or self._look(model, name) for name in self._splits}

    def postpone(self, model: Network) -> dict[str, Pass]:
        """Return the same, with each split passed when it is first read."""
        found = {}
        for name, (split, kin) in self._splits.items():
            found[name] = Pass(
                functools.partial(self._read_labels, name),
                functools.partial(self._look, model, name),
                None if kin is None else kin[split.indices.numpy()],
                self._list_absent(name),
            )
        return found

    def _list_absent(self, name: str) -> list[str]:
        """List what is not kept of a split's images."""
        kept = {
            "features": self._features and self._splits[name][1] is not None,
            "triggered": self._triggered is not None and name in HALVES,
        }
        return [field for field, is_kept in kept.items() if not is_kept]

    def _look(self, model: Network, name: str, chosen: np.ndarray | None = None) -> Outputs:
        """Pass the `chosen` positions (K,) of a split; or all of it, with whatever else is kept of each image."""
        import torch

        split, kin = self._splits[name]
        if chosen is not None:
            return outputs(model, split.at(torch.from_numpy(chosen)))
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
