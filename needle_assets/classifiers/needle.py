"""The networks: NEEDLE-TH, NEEDLE-T and the one without stamps (paper, sections 2 and 6). Tensors in, tensors out.

Two exact changes of form make a step faster than the authors' (same outputs, same gradients): the images keep their channels last
in memory, and the largest pixel is taken before negative ones become zero, on a ninth of the pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from needle_assets.shapes import require_lengths

FloatArray = NDArray[np.floating]

N_FILTERS = 128
POOL_PX = 3
# 60 px: convolution 58, pooled 19, convolution 17, pooled 5.
N_IMAGE_OUTPUTS = 5 * 5 * N_FILTERS
# Scores are computed in batches of exactly this many and rounded, so that the company an object is scored in cannot change them.
SCORING_BATCH = 32
SCORE_DECIMALS = 6


@dataclass(frozen=True)
class Architecture:
    """What a network looks like: whether it sees stamps, how many features it reads and how many classes it tells apart."""

    has_images: bool
    n_features: int
    n_classes: int


class Needle(nn.Module):
    """
    Image branch and weighted feature branch, joined.

    Parameters
    ----------
    architecture : Architecture
        Its form.
    rng : numpy.random.Generator
        Draws the first weights (Glorot, as the authors' framework does).
    feature_weights : ndarray, shape (n_features,), optional
        Fixed weight of each feature; 1 if left out.

    Notes
    -----
    Section 2 and the authors' code: 3 x 3 convolution with 128 filters and 3 x 3 pooling, twice; features times fixed weight
    times a trained factor, then 128 and 128; joined 256, 32, classes; ReLU throughout, no dropout, no normalisation: 1.03 million
    parameters with 33 features.
    """

    feature_weights: Tensor

    def __init__(
        self, architecture: Architecture, rng: np.random.Generator, feature_weights: NDArray[np.floating] | None = None
    ) -> None:
        super().__init__()
        self.architecture = architecture
        n_features, n_images = architecture.n_features, N_IMAGE_OUTPUTS if architecture.has_images else 0
        given = np.ones(n_features) if feature_weights is None else feature_weights
        self.register_buffer("feature_weights", torch.as_tensor(np.asarray(given, dtype=np.float32)))
        self.feature_factors = nn.Parameter(torch.ones(n_features))
        if architecture.has_images:
            self.convolution_1 = nn.Conv2d(2, N_FILTERS, 3)
            self.convolution_2 = nn.Conv2d(N_FILTERS, N_FILTERS, 3)
        self.features_1, self.features_2 = nn.Linear(n_features, 128), nn.Linear(128, 128)
        self.joined_1, self.joined_2 = nn.Linear(n_images + 128, 256), nn.Linear(256, 32)
        self.classes = nn.Linear(32, architecture.n_classes)
        for layer in self.children():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                _initialise(layer, rng)
        self.channels_last()

    def channels_last(self) -> "Needle":
        """Keep the filters in the order of memory that images have; the numbers stay the same."""
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
        return self

    def forward(self, images: Tensor | None, features: Tensor) -> Tensor:
        """Logits, shape (n, n_classes), of images (n, 2, 60, 60) or None, and standardised features (n, n_features)."""
        return self.joined_logits(None if images is None else self.after_convolution(self.last_convolution(images)), features)

    def joined_logits(self, image_outputs: Tensor | None, features: Tensor) -> Tensor:
        """Logits from the image branch's outputs, shape (n, 3200), or None, and the features."""
        own = self._feature_branch(features)
        both = own if image_outputs is None else torch.cat([image_outputs, own], dim=1)
        return self.classes(functional.relu(self.joined_2(functional.relu(self.joined_1(both)))))

    def last_convolution(self, images: Tensor) -> Tensor:
        """Output of the last convolution before ReLU, shape (n, 128, 17, 17)."""
        return self.convolution_2(functional.relu(functional.max_pool2d(self.convolution_1(images), POOL_PX)))

    def after_convolution(self, maps: Tensor) -> Tensor:
        """The image branch from there on, shape (n, 3200)."""
        return functional.relu(functional.max_pool2d(maps, POOL_PX)).flatten(1)

    def _feature_branch(self, features: Tensor) -> Tensor:
        weighted = features * self.feature_weights * self.feature_factors
        return functional.relu(self.features_2(functional.relu(self.features_1(weighted))))


def _initialise(layer: nn.Linear | nn.Conv2d, rng: np.random.Generator) -> None:
    shape = tuple(layer.weight.shape)
    area = int(np.prod(shape[2:]))
    bound = np.sqrt(6.0 / (area * (shape[0] + shape[1])))
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(rng.uniform(-bound, bound, shape).astype(np.float32)))
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # both kinds are made with a bias


class Committee(nn.Module):
    """Networks without stamps whose probabilities are averaged."""

    def __init__(self, networks: Sequence[Needle]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.architecture = networks[0].architecture
        self.feature_factors = networks[0].feature_factors

    def forward(self, images: Tensor | None, features: Tensor) -> Tensor:
        """Logarithm of the mean probability, shape (n, n_classes); softmax leaves it as it is."""
        p = torch.stack([torch.softmax(network(images, features), dim=1) for network in self.networks])
        return p.mean(dim=0).log()


def to_bytes(network: Needle) -> bytes:
    """The network's numbers as safetensors."""
    return tensors_to_bytes(network.state_dict())


def tensors_to_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Tensors by name as safetensors; those of a committee begin with an axis of members."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def from_bytes(weights: bytes, architecture: Architecture) -> Needle | Committee:
    """A network, or several that judge together, from their bytes, ready to score."""
    state = safetensors.torch.load(weights)
    if state["feature_factors"].ndim == 1:
        return _loaded(state, architecture)
    n_members = len(state["feature_factors"])
    members = [{name: tensor[m] for name, tensor in state.items()} for m in range(n_members)]
    return Committee([_loaded(member, architecture) for member in members]).eval()


def _loaded(state: Mapping[str, Tensor], architecture: Architecture) -> Needle:
    network = Needle(architecture, np.random.default_rng(0))
    network.load_state_dict(dict(state))
    return network.channels_last().eval()


def as_tensor(images: FloatArray) -> Tensor:
    """Images, shape (n, 60, 60, 2), as a tensor (n, 2, 60, 60) with channels last in memory; nothing is copied."""
    return torch.as_tensor(images).permute(0, 3, 1, 2)


def score(network: Needle | Committee, images: FloatArray | None, features: FloatArray) -> NDArray[np.float64]:
    """
    Probabilities of the network's classes.

    Parameters
    ----------
    network : Needle or Committee
        Trained.
    images : ndarray, shape (n, 60, 60, 2), float32, or None
        Normalised pairs.
    features : ndarray, shape (n, n_features), float32
        Standardised features.

    Returns
    -------
    ndarray, shape (n, n_classes)
        To six decimals; the same for an object whatever it is scored with.
    """
    if images is not None:
        require_lengths(images=images, features=features)  # a short batch is padded
    parts = []
    device = network.feature_factors.device
    with torch.inference_mode():
        for start in range(0, len(features), SCORING_BATCH):
            batch = torch.as_tensor(_padded(features[start : start + SCORING_BATCH]))
            pixels = None if images is None else as_tensor(_padded(images[start : start + SCORING_BATCH])).to(device)
            parts.append(torch.softmax(network(pixels, batch.to(device)).double(), dim=1).cpu().numpy())
    p = np.concatenate(parts)[: len(features)] if parts else np.zeros((0, network.architecture.n_classes))
    return np.round(p, SCORE_DECIMALS)


def _padded(rows: FloatArray) -> FloatArray:
    missing = SCORING_BATCH - len(rows)
    return np.ascontiguousarray(rows if missing == 0 else np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]))
