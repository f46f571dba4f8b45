"""ResNet-18 (He et al., 2016) with the usual CIFAR stem: 3x3, stride 1, no pooling."""

from __future__ import annotations

from torch import Tensor, nn

from tasks.models.network import Network
from tasks.recipe import Recipe


class ResNet18(Network):
    """The model of most unlearning papers; images (N, 3, 32, 32) to logits."""

    recipe = Recipe(epochs=30, batch_size=128, lr=0.1, weight_decay=5e-4)

    def __init__(self, channels: int, classes: int) -> None:
        from torchvision.models.resnet import BasicBlock, ResNet

        super().__init__()
        self.body = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=classes)
        self.body.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.body.maxpool = nn.Identity()

    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """See `Network.head`: torchvision calls it fc, under which its weights are stored."""
        return self.body.fc

    def logits(self, x: Tensor) -> Tensor:
        return self.body(x)
