"""A model of the user's own: any torch module that a function returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.errors import InvalidValue
from tasks.models.network import Network
from tasks.recipe import Recipe


class OwnModel(Network):
    """A classifier around a module; its names in a file of weights are the module's own."""

    recipe = Recipe(epochs=20, batch_size=64, lr=0.05)
    build: ClassVar[Callable[..., nn.Module]]
    """Called with the channels of an image, the number of classes and, if it has `sides`, height and width."""

    def __init__(self, channels: int, classes: int, sides: tuple[int, int] = (32, 32)) -> None:
        """Build the module; raises InvalidValue if it is none, or has no last layer to read features before."""
        super().__init__()
        self._arguments = channels, classes, sides
        self.body = self._make_body()
        what = f"model {type(self).__module__}:{type(self).__name__}"
        if not isinstance(self.body, nn.Module):
            raise InvalidValue(f"{what} returns {type(self.body).__name__}, not a torch.nn.Module")
        linear = [n for n, m in self.body.named_modules() if isinstance(m, nn.Linear)]
        if not linear or self.body.get_submodule(linear[-1]).out_features != classes:
            raise InvalidValue(
                f"{what} must end in a torch.nn.Linear with {classes} outputs, one for each class"
            )
        self._last = linear[-1]

    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """See `Network.head`: the linear layer that was declared last."""
        return self.body.get_submodule(self._last)  # type: ignore[return-value]

    def logits(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        return self.body(x)

    @torch.no_grad()
    def draw(self, layers: Iterable[nn.Module], rng: torch.Generator) -> None:
        """Fill layers of this model as the user's function fills them, with random numbers that `rng` decides."""
        seed = int(torch.randint(2**62, (), generator=rng))
        with torch.random.fork_rng(devices=()):  # the module draws from torch's own generator
            torch.default_generator.manual_seed(seed)
            fresh = self._make_body()
        names = {module: name for name, module in self.body.named_modules()}
        for layer in layers:
            if layer in names:
                _copy_own(fresh.get_submodule(names[layer]), layer)

    def _make_body(self) -> nn.Module:
        channels, classes, sides = self._arguments
        build = type(self).build
        sized = {"sides": sides} if "sides" in inspect.signature(build).parameters else {}
        return build(channels, classes, **sized)


def returns_module(found: object) -> bool:
    """Tell whether a call of what a name stands for may give a module: a function, or a class of modules."""
    if isinstance(found, type):
        return issubclass(found, nn.Module) and not issubclass(found, Network)
    return inspect.isfunction(found)


@functools.cache
def wrap_function(build: Callable[..., nn.Module]) -> type[OwnModel]:
    """Make the family of what a function, or the constructor of a module, returns.

    Its key depends on the file of `build`, too. The function may have a `recipe`, a tasks.recipe.Recipe; raises
    InvalidValue for another one.
    """
    recipe = getattr(build, "recipe", OwnModel.recipe)
    if not isinstance(recipe, Recipe):
        raise InvalidValue(f"the recipe of model {build.__name__} is no tasks.recipe.Recipe")
    body = {"build": staticmethod(build), "__module__": build.__module__, "__doc__": build.__doc__}
    return type(build.__name__, (OwnModel,), body | {"recipe": recipe})


def _copy_own(source: nn.Module, target: nn.Module) -> None:
    """Copy the parameters and buffers of a module, without those of its children."""
    for kind in ("_parameters", "_buffers"):
        for name, tensor in getattr(source, kind).items():
            if tensor is not None:
                getattr(target, kind)[name].copy_(tensor)
