"""The model families: one file each, and one line here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from tasks.errors import InvalidValue
from tasks.registry import Registry

if TYPE_CHECKING:
    import torch

    from tasks.datasets.dataset import Dataset
    from tasks.models.network import Network
    from tasks.recipe import Recipe

MODELS = Registry(
    "model",
    "orchestrator.models",
    {
        "resnet9": "tasks.models.resnet9:ResNet9",
        "resnet9-long": "tasks.models.resnet9_long:LongResNet9",
        "airbench94": "tasks.models.airbench94:Airbench94",
        "resnet18": "tasks.models.resnet18:ResNet18",
        "small-cnn": "tasks.models.small_cnn:SmallCNN",
        "vit": "tasks.models.vit:ViT",
    },
)
"""`NAME` or `NAME:WIDTH`, where the width factor scales the channels of the families that have one."""

LEAST_SIDE: dict[str, int] = {
    "resnet9": 25,
    "resnet9-long": 25,
    "airbench94": 25,
    "resnet18": 1,
    "small-cnn": 4,
    "vit": 4,
}
"""Width in pixels of the smallest image that a family accepts; here, because this file imports no torch."""

MOST_SIDE: dict[str, int] = {"resnet9": 48, "resnet9-long": 48, "airbench94": 48}
"""Width in pixels of the largest image of a family that has a limit: its last pooling leaves one pixel."""

AUTO_ELSEWHERE: dict[str, str] = {"cpu": "small-cnn", "cuda": "resnet18"}
"""The families that `auto` chooses for data of one's own: they accept images of any usual size.

Their recipes take small steps, and many: a folder of a few hundred pictures is learned too.
"""

AUTO: dict[str, dict[str, str]] = {
    "cifar10": {"cpu": "resnet9", "cuda": "airbench94"},
    "cifar10-small": {"cpu": "resnet9-long:0.25", "cuda": "resnet9-long"},
    "cifar100": {"cpu": "resnet9", "cuda": "resnet18"},
    "cifar20": {"cpu": "resnet9", "cuda": "resnet18"},
    "fashion-mnist": {"cpu": "small-cnn", "cuda": "resnet18"},
    "folder": AUTO_ELSEWHERE,
    "parquet": AUTO_ELSEWHERE,
    "faces": AUTO_ELSEWHERE,
    "digits": {"cpu": "small-cnn", "cuda": "small-cnn"},
}
"""The family that `--model auto` chooses, by data set and device type."""


def model_class(spec: str) -> tuple[type[Network], dict[str, float]]:
    """Return class and keyword arguments for `NAME` or `NAME:WIDTH`; raise InvalidValue for another text."""
    name, width = MODELS.split(spec)
    cls = MODELS.resolve(name)
    from tasks.models.network import Network
    from tasks.models.own import returns_module, wrap_function

    if returns_module(cls):
        cls = wrap_function(cls)
    if not (isinstance(cls, type) and issubclass(cls, Network)):
        raise InvalidValue(
            f"model {name!r} is not a subclass of tasks.models.network.Network, no torch module and no function "
            "that returns one"
        )
    if not width:
        return cls, {}
    if "width" not in inspect.signature(cls).parameters:
        raise InvalidValue(f"model {spec!r}: {name} has no width factor; valid: {name}")
    try:
        factor = float(width)
        if not 0.1 <= factor <= 10:
            raise ValueError(width)
    except ValueError:
        raise InvalidValue(f"model {spec!r}: the width must be a number in 0.1..10") from None
    return cls, {"width": factor}


def find_recipe(spec: str, settings: str = "") -> Recipe:
    """Return the recipe of the model `NAME` or `NAME:WIDTH`, with settings NAME=VALUE,… in place of its own.

    Raises InvalidValue for another text.
    """
    from tasks.models.recipe_settings import change_recipe

    return change_recipe(model_class(spec)[0].recipe, settings)


def check_model(spec: str, dataset: Dataset) -> None:
    """Raise InvalidValue if the images of `dataset` are too small or too large for the model."""
    name, sides = MODELS.split(spec)[0], dataset.sides
    if name not in MODELS:
        _try_own(spec, dataset)
    if not _fits(name, sides):
        fit = [other for other in MODELS if _fits(other, sides)]
        small = min(sides) < LEAST_SIDE.get(name, 1)
        needs = f"needs {LEAST_SIDE[name]}" if small else f"takes up to {MOST_SIDE[name]}"
        raise InvalidValue(
            f"--model {spec}: {dataset.name}'s images are {sides[1]} pixels wide, and {name} "
            f"{needs}; valid: {', '.join(fit)}"
        )


def _try_own(spec: str, dataset: Dataset) -> None:
    """Raise InvalidValue unless a model of the user's own gives an image logits, one for each class.

    All of its trainable parameters must decide them: methods differentiate by each.
    """
    import torch

    shape, classes = dataset.train.images.shape[1:], len(dataset.classes)
    try:
        model = build_model(spec, dataset, torch.device("cpu"), torch.float32).eval()
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            logits = model(torch.zeros(2, *shape))
            slopes = torch.autograd.grad(logits.sum(), list(trained.values()), allow_unused=True)
    except InvalidValue:
        raise
    except Exception as error:  # the user's module may raise anything
        reason = " ".join(str(error).split())[:300]
        raise InvalidValue(
            f"--model {spec} fails on images {shape}: {type(error).__name__}: {reason}"
        ) from error
    given = tuple(logits.shape)
    if given != (2, classes):
        raise InvalidValue(
            f"--model {spec} gives two images {shape} outputs {given}, not {(2, classes)}"
        )
    pairs = zip(trained, slopes, strict=True)
    idle = [name.removeprefix("body.") for name, slope in pairs if slope is None]
    if idle:
        raise InvalidValue(
            f"--model {spec} gives outputs that do not depend on {', '.join(idle)}: leave it out, or freeze it"
        )


def _fits(name: str, sides: tuple[int, int]) -> bool:
    return LEAST_SIDE.get(name, 1) <= min(sides) and max(sides) <= MOST_SIDE.get(name, max(sides))


def build_model(
    spec: str,
    dataset: Dataset,
    device: torch.device,
    dtype: torch.dtype | None = None,
    *,
    settings: str = "",
) -> Network:
    """Build an uninitialised model for `dataset` on `device`, in `dtype` or the device's best dtype.

    `settings` are those of its training that differ from the family's recipe: see `find_recipe`.
    """
    import torch

    from tasks.models.network import compute_dtype

    cls, options = model_class(spec)
    sized = {"sides": dataset.sides} if "sides" in inspect.signature(cls).parameters else {}
    model = cls(dataset.channels, len(dataset.classes), **options, **sized)
    model.recipe = find_recipe(spec, settings)
    model.compute_dtype = dtype or (compute_dtype(device) if model.autocast else torch.float32)
    return model.to(device).to(memory_format=torch.channels_last)
