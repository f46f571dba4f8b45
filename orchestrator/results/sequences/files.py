"""Where sequences are kept: a JSON file each, below the storage root."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.results.sequences.matrix import ForgettingMatrix
from tasks.errors import InvalidValue
from tasks.storage.roots import normalise_root, open_root

FOLDER, SUFFIX = "sequences", ".json"
ARRAYS = ("model", "references", "costs", "retrains")
TEXTS = ("task", "unlearner", "requests", "groups")


@dataclass(frozen=True, eq=False)
class StoredSequence:
    """A sequence as `run` stored it. In a notebook it shows its matrix as a picture."""

    name: str
    matrix: ForgettingMatrix
    rows: list[dict[str, Any]]
    """A row for each request: `step` and `request`, then its metrics and costs, as `list columns` says."""
    whole: Mapping[str, Any]
    """The row of the last model, judged by what all requests together were to forget, as in a sweep."""
    settings: Mapping[str, Any]
    """Hyper-parameters and seeds."""

    def _repr_png_(self) -> bytes:
        from orchestrator.results.figures.matrix import render_matrix

        return render_matrix(self.matrix)


def write_sequence(root: str, stored: StoredSequence) -> str:
    """Store a sequence, and return the path or URI of its file."""
    matrix = stored.matrix
    content = {
        "name": stored.name,
        "settings": dict(stored.settings),
        **{name: getattr(matrix, name) for name in TEXTS},
        **{name: getattr(matrix, name).tolist() for name in ARRAYS},
        "rows": stored.rows,
        "whole": dict(stored.whole),
    }
    storage = open_root(f"{normalise_root(root)}/{FOLDER}")
    storage.write(f"{stored.name}{SUFFIX}", json.dumps(content, indent=1).encode())
    return f"{storage.root}/{stored.name}{SUFFIX}"


def read_sequence(root: str, name: str) -> StoredSequence:
    """Read the sequence of that name; raises InvalidValue, listing those that there are."""
    known = list_sequences(root)
    raw = None
    if name in known:  # `../sweeps/x` is no name: it would lead out of the folder
        raw = open_root(f"{normalise_root(root)}/{FOLDER}").read(f"{name}{SUFFIX}")
    if raw is None:
        raise InvalidValue(f"unknown sequence {name!r}; valid: {', '.join(known) or 'none yet'}")
    try:
        content = json.loads(raw)
        matrix = _read_matrix(content)
        # The name is the file's: what a file says of itself decides no path.
        return StoredSequence(name, matrix, content["rows"], content["whole"], content["settings"])
    except KeyError as error:
        raise InvalidValue(f"sequence {name!r} cannot be read: it has no {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValue(f"sequence {name!r} cannot be read: {error}") from error


def _read_matrix(content: Mapping[str, Any]) -> ForgettingMatrix:
    """Return the matrix that a file holds; raise ValueError where its parts do not fit each other."""
    if not isinstance(content, dict):
        raise ValueError("it holds no sequence")
    requests, groups = tuple(content["requests"]), tuple(content["groups"])
    texts = content["task"], content["unlearner"], *requests, *groups
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a name in it is no text")
    arrays = {name: np.array(content[name], float) for name in ARRAYS}
    steps, kinds = len(requests), len(groups)
    shapes = {"model": (steps + 1, kinds), "costs": (steps,), "retrains": (steps,)}
    for name, shape in shapes.items():
        if not 0 < steps <= kinds or arrays[name].shape != shape:
            raise ValueError(f"{name} does not fit its {steps} requests and {kinds} groups")
    arrays["references"] = arrays["references"].reshape(steps + 1, -1, kinds)
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("a number in it is not finite")
    if (arrays["retrains"] <= 0).any():
        raise ValueError("a retrain in it costs nothing")
    return ForgettingMatrix(
        task=content["task"],
        unlearner=content["unlearner"],
        requests=requests,
        groups=groups,
        **arrays,
    )


def list_sequences(root: str) -> list[str]:
    """List the names of the stored sequences, sorted."""
    found = open_root(f"{normalise_root(root)}/{FOLDER}").list_names()
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))
