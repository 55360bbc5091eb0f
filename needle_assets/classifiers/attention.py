"""Where the image branch looks: Grad-CAM of the last convolution (paper, section 3 and Figure 12)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from needle_assets.classifiers.needle import SCORING_BATCH, FloatArray, Needle, as_tensor
from needle_assets.shapes import require_lengths, require_stacks

ATTENTION_DECIMALS = 6


def attention_maps(
    network: Needle, images: FloatArray, features: FloatArray, classes: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    """
    Grad-CAM (Selvaraju et al. 2017) of each sample.

    Parameters
    ----------
    network : Needle
        A trained network with an image branch.
    images : ndarray, shape (n, 60, 60, 2), float32
        Normalised pairs.
    features : ndarray, shape (n, k), float32
        Standardised features.
    classes : ndarray of int, shape (n,), optional
        Output explained; the preferred one if left out.

    Returns
    -------
    ndarray, shape (n, 60, 60), float32
        Not negative; all zero where no pixel speaks for the class.

    Notes
    -----
    Mean gradient of the class's logit over each of the 128 maps, times the map, summed, negative parts cut, stretched from 17 x
    17 to the stamp. The authors' code shows a random map where gradients are missing; here they never are, and a map without
    attention stays empty.
    """
    require_lengths(images=images, features=features, classes=images if classes is None else classes)
    parts = []
    for start in range(0, len(images), SCORING_BATCH):
        chosen = slice(start, start + SCORING_BATCH)
        explained = None if classes is None else torch.as_tensor(classes[chosen])
        parts.append(_maps(network, images[chosen], features[chosen], explained))
    return np.concatenate(parts) if parts else np.zeros(images.shape[:3], dtype=np.float32)


def _maps(network: Needle, images: FloatArray, features: FloatArray, explained: torch.Tensor | None) -> NDArray[np.float32]:
    with torch.no_grad():
        maps = network.last_convolution(as_tensor(np.ascontiguousarray(images)))
    maps = maps.detach().requires_grad_()
    logits = network.joined_logits(network.after_convolution(maps), torch.as_tensor(np.ascontiguousarray(features)))
    chosen = logits.argmax(dim=1) if explained is None else explained
    gradient = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), maps)[0]
    with torch.no_grad():
        heat = functional.relu((gradient.mean(dim=(2, 3), keepdim=True) * functional.relu(maps)).sum(dim=1, keepdim=True))
        size = images.shape[1:3]
        stretched = functional.interpolate(heat, size=size, mode="bilinear", align_corners=False)
    return stretched[:, 0].numpy()


def attention_fraction(maps: NDArray[np.floating], masks: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Share of each map, shape (n, 60, 60), that falls on its mask; NaN for a map without attention."""
    require_stacks(maps=maps, masks=masks)
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    on_source = (maps * masks).sum(axis=(1, 2), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round(np.where(total > 0.0, on_source / total, np.nan), ATTENTION_DECIMALS)
