"""What is wrong with an image of a pair, told by rules of its own and by what the other image shows (paper, section 3.1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.defects import Defects, find_defects
from needle_assets.images.noise import measure_sky
from needle_assets.images.sources import label_clusters, within_px
from needle_assets.settings import QualitySettings
from needle_assets.shapes import require_images

# How bright a source must be to be missed in the other image, which must show less than this fraction of its peak nearby. ZTF's
# references are on the flux scale of science. On 391 good real pairs no image shows two such sources, and two references show one.
_FOREIGN_SIGMA = 6.0
_SHOWN_FRACTION = 0.3
_BESIDE_PX = 5
# The target itself differs by nature and says nothing.
_GUARD_RADIUS_PX = 5.0


class PairDefects(NamedTuple):
    """What is wrong with the images of a pair."""

    science: Defects
    reference: Defects


def find_pair_defects(
    science: NDArray[np.floating], reference: NDArray[np.floating], settings: QualitySettings | None = None
) -> PairDefects:
    """
    Apply every rule to both images of a pair, and compare them.

    Parameters
    ----------
    science, reference : ndarray, shape (n, n), float
        The two images on one grid and one flux scale [DN]; NaN marks a missing pixel.
    settings : QualitySettings, optional
        Limits of the rules; ``default`` if left out.

    Returns
    -------
    PairDefects
        As of :func:`needle_assets.images.defects.find_defects`, and ``foreign_sources`` for an image in which
        ``min_foreign_sources`` sources or more away from the target are bright and missing in the other. Their pixels are
        invalid, and those of a target that is missing in the other too.

    Notes
    -----
    One such source may be an asteroid, a cosmic ray or a variable star. Several are the glints of a satellite or the wrong
    field, and then a target that nothing else vouches for is likely to be one of them: repairing the others would leave a glint
    that passes for a transient.
    """
    require_images(science=science, reference=reference)
    settings = settings or QualitySettings()
    own = PairDefects(find_defects(science, settings), find_defects(reference, settings))
    if any(found.invalid.all() for found in own):
        return own
    in_science, in_reference = (_measured(image, found) for image, found in zip((science, reference), own, strict=True))
    return PairDefects(_compared(in_science, in_reference, settings), _compared(in_reference, in_science, settings))


class _Measured(NamedTuple):
    """What is wrong with an image, its pixels above the sky (0 where invalid) and the scatter of the sky [DN]."""

    own: Defects
    height: NDArray[np.float64]
    sigma: float


def _measured(image: NDArray[np.floating], own: Defects) -> _Measured:
    sky = measure_sky(image, exclude=own.invalid)
    return _Measured(own, np.where(own.invalid, 0.0, image - sky.level), sky.sigma)


def _compared(image: _Measured, other: _Measured, settings: QualitySettings) -> Defects:
    """What is wrong with an image, and the sources in it that the other lacks, if there are several."""
    limit = _FOREIGN_SIGMA * image.sigma
    labels, n = label_clusters((image.height > limit) | (ndimage.uniform_filter(image.height, 3) > limit / 2.0))
    if n < settings.min_foreign_sources:
        return image.own
    every = np.arange(n + 1)
    peak = ndimage.maximum(image.height, labels, every)
    known = np.where(other.own.invalid, np.inf, other.height)  # nothing is missing where it is not known what is there
    shown = ndimage.maximum(ndimage.maximum_filter(known, _BESIDE_PX), labels, every)
    is_foreign = (peak > limit) & (shown < _SHOWN_FRACTION * peak)
    is_foreign[0] = False
    n_at_target = is_foreign[
        np.unique(labels[within_px(labels.shape, (labels.shape[1] // 2, labels.shape[0] // 2), _GUARD_RADIUS_PX)])
    ].sum()
    if is_foreign.sum() - n_at_target < settings.min_foreign_sources:
        return image.own
    return Defects((*image.own.reasons, "foreign_sources"), image.own.invalid | is_foreign[labels])
