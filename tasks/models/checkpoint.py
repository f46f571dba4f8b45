"""Weights that the user gives: read from a file, fitted to a model by names and shapes, and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.errors import InvalidValue

State = dict[str, Tensor]
INSIDE = ("state_dict", "model_state_dict", "model")
"""Where a file that holds more than the weights keeps them."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""
MOST_NAMED = 3
"""Names of each kind of difference that a message lists."""


def read_weights(file: Path) -> State:
    """Read named tensors from a .safetensors file, or from one that torch.save wrote; no code in it is run.

    A dict with the weights under one of INSIDE will do, as will names with one of WRAPPERS before them. Raises
    InvalidValue for a file that cannot be read or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(file)
        else:
            found = torch.load(file, weights_only=True, map_location="cpu")
    except Exception as error:  # what is no file of weights may raise anything
        raise InvalidValue(
            f"--original {file} cannot be read as weights: {_line(error)}"
        ) from error
    inner = next((found[k] for k in INSIDE if isinstance(found, Mapping) and k in found), found)
    found = inner if isinstance(inner, Mapping) else found
    named = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    if not (found and named and all(isinstance(tensor, Tensor) for tensor in found.values())):
        raise InvalidValue(f"--original {file} holds no state dict: names and their tensors")
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in found):
            found = {name.removeprefix(wrapper): tensor for name, tensor in found.items()}
    return dict(found)


def fit_weights(state: State, expected: Mapping[str, Tensor], what: str) -> State:
    """Return `state` in the order and the dtypes of `expected`, the state of a model.

    If a model keeps everything in one module, the names may be those within it. Raises InvalidValue, in a line
    that begins with `what`, if names or shapes differ, and for weights that are not finite.
    """
    inside = {name.partition(".")[0] for name in expected}
    if len(inside) == 1 and not set(state) & set(expected):
        state = {f"{next(iter(inside))}.{name}": tensor for name, tensor in state.items()}
    differing = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    parts = [
        _list("it lacks", [name for name in expected if name not in state]),
        _list("it has besides", [name for name in state if name not in expected]),
        _list("", differing),
    ]
    if any(parts):
        raise InvalidValue(f"{what}: {'; '.join(filter(None, parts))}")
    fitted = {name: state[name].to(tensor.dtype).contiguous() for name, tensor in expected.items()}
    broken = [name for name, tensor in fitted.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise InvalidValue(f"{what}: {_list('not finite:', broken)}")
    return fitted


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """Return sixteen hex digits of the SHA-256 of names, dtypes, shapes and values: equal in any file format."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _list(words: str, names: list[str]) -> str:
    """Name the first few, and count the others; nothing if there are none."""
    if not names:
        return ""
    others = len(names) - MOST_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f"{words} {', '.join(names[:MOST_NAMED])}{more}".strip()


def _line(error: Exception) -> str:
    """Return the first line of an error, as torch adds paragraphs of advice; of a mere code what it means."""
    if isinstance(error, KeyError):  # a byte that is no instruction of pickle's
        return "neither torch.save nor safetensors wrote it"
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
