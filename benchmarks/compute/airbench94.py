"""airbench94, the rival of `benchmarks.compute.training`: CIFAR-10 to 94 % in under four A100 seconds.

Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024, arXiv:2404.00498), written
from the paper. The numbers are its own: losses are summed over a batch, and learning rate and decay
are said for 1024 x (1 + 1 / (1 - momentum)) examples. Its test-time augmentation is left out, as
`benchmarks.compute.training` measures plain accuracy. A GPU computes in float16, compiled, as the paper's does.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.datasets.dataset import Dataset
from tasks.datasets.splits import Split
from tasks.models.network import compute_dtype
from tasks.models.resnet9 import whitening_filters

EPOCHS, BATCH, MOMENTUM, SMOOTHING, TRANSLATE = 9.9, 1024, 0.85, 0.2, 2
SCALE = 1024 * (1 + 1 / (1 - MOMENTUM))
LR, DECAY = 11.5 / SCALE, 0.0153 * BATCH / SCALE
BIAS_FACTOR, WHITENING_BIAS_EPOCHS = 64.0, 3
START, PEAK, END = 0.2, 0.23, 0.07
"""The learning rate's factor at the start, when it is 1, and its factor at the end."""
LOOKAHEAD_STEPS, LOOKAHEAD_DECAY = 5, 0.95**5
WHITENING_IMAGES = 5000


class Airbench94(nn.Module):
    """Images (N, 3, 32, 32) to float32 logits (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        widths = (24, 64, 256, 256)
        self.groups = nn.Sequential(*(_group(i, o) for i, o in itertools.pairwise(widths)))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """In the dtype of the weights."""
        x = self.groups(F.gelu(self.whiten(x.to(self.head.weight.dtype))))
        return (self.head(F.max_pool2d(x, 3).flatten(1)) / 9).float()


def _group(channels_in: int, channels_out: int) -> nn.Sequential:
    def norm() -> nn.BatchNorm2d:
        layer = nn.BatchNorm2d(channels_out, eps=1e-12, momentum=0.4)
        layer.weight.requires_grad_(False)
        return layer

    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), nn.MaxPool2d(2),
        norm(), nn.GELU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False), norm(), nn.GELU(),
    )  # fmt: skip


@functools.cache
def network(classes: int, device: torch.device) -> tuple[Airbench94, Callable[[Tensor], Tensor]]:
    """The network of a process, and its forward pass: compiled once, however often it is trained."""
    model = Airbench94(classes).to(device).to(memory_format=torch.channels_last)
    if device.type != "cuda":
        return model, model
    model.half()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.float()
    return model, torch.compile(model, mode="max-autotune")


@torch.no_grad()
def initialised(dataset: Dataset, split: Split, rng: torch.Generator) -> Airbench94:
    """The network with its first weights: whitening, then identities as far as the channels go."""
    model, _ = network(len(dataset.classes), split.device)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):  # torch's own, but from `rng`
            draw = torch.empty(layer.weight.shape)
            nn.init.kaiming_uniform_(draw, a=math.sqrt(5), generator=rng)
            if isinstance(layer, nn.Conv2d):
                nn.init.dirac_(draw[: layer.in_channels])
            layer.weight.copy_(draw)
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    model.whiten.weight.copy_(whitening_filters(split.sample(WHITENING_IMAGES, rng)))
    model.whiten.bias.zero_()  # type: ignore[union-attr]
    model.whiten.weight.requires_grad_(False)
    return model


def trained(model: Airbench94, split: Split, rng: torch.Generator) -> Iterator[None]:
    """Train, yielding after each epoch, the last of which is shorter than the others."""
    device = split.device
    _, forward = network(model.head.out_features, device)
    model.whiten.bias.requires_grad_(True)  # type: ignore[union-attr]
    optimizer = torch.optim.SGD(_parameters(model), lr=LR, momentum=MOMENTUM, nesterov=True)
    images, labels = _padded(split, model.head.weight.dtype, rng)
    fast = [t for t in model.state_dict().values() if t.is_floating_point()]
    slow = [t.clone() for t in fast]
    step, total = 0, math.ceil(EPOCHS * (len(labels) // BATCH))
    half = compute_dtype(device) if device.type == "cpu" else torch.float32
    for epoch in range(math.ceil(EPOCHS)):
        model.train()
        model.whiten.bias.requires_grad_(epoch < WHITENING_BIAS_EPOCHS)  # type: ignore[union-attr]
        for x, y in itertools.islice(_batches(images, labels, epoch, rng), total - step):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _rate(step / total)
            with torch.autocast(device.type, half, enabled=half != torch.float32):
                logits = forward(x)
            loss = F.cross_entropy(logits, y, label_smoothing=SMOOTHING, reduction="sum")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            if step % LOOKAHEAD_STEPS == 0 or step == total:
                _look_ahead(fast, slow, step / total)
        yield


@torch.no_grad()
def _look_ahead(fast: list[Tensor], slow: list[Tensor], progress: float) -> None:
    """The slow weights follow ever more slowly; in the end they are the result."""
    decay = 1.0 if progress == 1 else LOOKAHEAD_DECAY * progress**3
    torch._foreach_lerp_(slow, fast, 1 - decay)
    torch._foreach_copy_(fast, slow)


def _rate(progress: float) -> float:
    """Factor of the learning rate: up from START to 1 at PEAK of the steps, down to END."""
    if progress < PEAK:
        return START + (1 - START) * progress / PEAK
    return 1 + (END - 1) * (progress - PEAK) / (1 - PEAK)


def _parameters(model: nn.Module) -> list[dict[str, object]]:
    """The biases of normalisation layers learn faster, and all decay by DECAY a step."""
    norms = {id(m.bias) for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
    moved = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in moved if (id(p) in norms) == is_norm], "peak": LR * factor,
         "weight_decay": DECAY / (LR * factor)}
        for is_norm, factor in ((False, 1.0), (True, BIAS_FACTOR))
    ]  # fmt: skip


def _padded(split: Split, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """All images on the device, half of them mirrored, with a border to cut shifted ones from."""
    batches = [*split.ordered()]
    images = torch.cat([x.to(dtype) for x, _ in batches])
    mirror = (torch.rand(len(images), generator=rng) < 0.5).to(images.device)
    images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    return F.pad(images, (TRANSLATE,) * 4, "reflect"), torch.cat([y for _, y in batches])


def _batches(
    images: Tensor, labels: Tensor, epoch: int, rng: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Whole batches in random order, each image shifted; mirrored every other epoch."""
    device, side = images.device, images.shape[2] - 2 * TRANSLATE
    order = torch.randperm(len(labels), generator=rng).to(device)
    shifts = torch.randint(2 * TRANSLATE + 1, (2, len(labels)), generator=rng).to(device)
    windows = images.unfold(2, side, 1).unfold(3, side, 1)
    for start in range(0, len(labels) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        x = windows[chosen, :, shifts[0, chosen], shifts[1, chosen]]
        x = x.flip(3) if epoch % 2 else x
        yield x.to(memory_format=torch.channels_last), labels[chosen]
