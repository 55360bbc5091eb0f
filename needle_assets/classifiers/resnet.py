"""The ResNet-18 of the learned quality checker, and the same without its normalisations once it is trained."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Block(nn.Module):
    """Two 3 x 3 convolutions around which the input is added (He et al. 2016)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        stride = 1 if n_in == n_out else 2
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.short: nn.Module = nn.Identity()
        if n_in != n_out:
            self.short = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(inner + self.short(x))


class ResNet18(nn.Module):
    """The standard 18-layer residual network for one channel (paper, section 3.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(64)
        widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise(widths)))
        self.last = nn.Linear(512, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities of bad and good, shape (n, 2), of prepared images, shape (n, 1, 60, 60)."""
        x = functional.relu(functional.max_pool2d(self.norm(self.conv(images)), 2))  # (n, 64, 15, 15)
        x = self.blocks(x).mean(dim=(2, 3))  # (n, 512)
        return functional.log_softmax(self.last(x), dim=1)


def folded(model: ResNet18) -> ResNet18:
    """The trained network with every normalisation inside the convolution before it."""
    _fold(model, "conv", "norm")
    for block in model.blocks:
        _fold(block, "conv1", "norm1")
        _fold(block, "conv2", "norm2")
        if isinstance(block.short, nn.Sequential):
            _fold(block.short, "0", "1")
    return model


def _fold(module: nn.Module, conv: str, norm: str) -> None:
    """Replace a convolution by one that does the normalisation after it too, and that one by nothing."""
    parts: Any = module.get_submodule
    setattr(module, conv, fuse_conv_bn_eval(parts(conv), parts(norm)))
    setattr(module, norm, nn.Identity())
