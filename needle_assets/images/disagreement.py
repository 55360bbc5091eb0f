"""What is wrong with an image of a pair, told by rules of its own and by what the other image shows (paper, section 3.1)."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.defects import Defects, find_defects
from needle_assets.images.noise import measure_sky
from needle_assets.images.sources import within_px
from needle_assets.settings import QualitySettings
from needle_assets.survey import STAMP_SIZE_PX

# How bright a source must be to be missed in the other image, which must show less than this fraction of its peak nearby. ZTF's
# references are on the flux scale of science. On 391 good real pairs no image shows two such sources, and two references show one.
_FOREIGN_SIGMA = 6.0
_SHOWN_FRACTION = 0.3
_BESIDE_PX = 5
_MIN_SOURCE_PX = 3
# The target itself differs by nature and says nothing.
_TARGET_PX = (STAMP_SIZE_PX // 2, STAMP_SIZE_PX // 2)
_GUARD_RADIUS_PX = 5.0


def find_pair_defects(
    science: NDArray[np.floating], reference: NDArray[np.floating], settings: QualitySettings | None = None
) -> tuple[Defects, Defects]:
    """
    Apply every rule to both images of a pair, and compare them.

    Parameters
    ----------
    science, reference : ndarray, shape (60, 60), float
        The two images on one grid and one flux scale [DN]; NaN marks a missing pixel.
    settings : QualitySettings, optional
        Limits of the rules; ``default`` if left out.

    Returns
    -------
    science, reference : Defects
        As of :func:`needle_assets.images.defects.find_defects`, and ``foreign_sources`` for an image in which
        ``min_foreign_sources`` sources or more away from the target are bright and missing in the other. Their pixels are
        invalid, and those of a target that is missing in the other too.

    Notes
    -----
    One such source may be an asteroid, a cosmic ray or a variable star. Several are the glints of a satellite or the wrong
    field, and then a target that nothing else vouches for is likely to be one of them: repairing the others would leave a glint
    that passes for a transient.
    """
    settings = settings or QualitySettings()
    in_science, in_reference = find_defects(science, settings), find_defects(reference, settings)
    if in_science.invalid.all() or in_reference.invalid.all():
        return in_science, in_reference
    science_height, science_sigma = _height(science, in_science.invalid)
    reference_height, reference_sigma = _height(reference, in_reference.invalid)
    return (
        _compared(in_science, science_height, science_sigma, np.where(in_reference.invalid, np.inf, reference_height), settings),
        _compared(
            in_reference, reference_height, reference_sigma, np.where(in_science.invalid, np.inf, science_height), settings
        ),
    )


def _height(image: NDArray[np.floating], invalid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Pixels above the sky, 0 where invalid, and the scatter of the sky [DN]."""
    sky = measure_sky(image, exclude=invalid)
    return np.where(invalid, 0.0, image - sky.level), sky.sigma


def _compared(
    own: Defects, height: NDArray[np.float64], sigma: float, other_height: NDArray[np.float64], settings: QualitySettings
) -> Defects:
    """``own`` and the sources of ``height`` that ``other_height`` lacks, if there are several; infinite where it is not known."""
    limit = _FOREIGN_SIGMA * sigma
    labels, n = ndimage.label((height > limit) | (ndimage.uniform_filter(height, 3) > limit / 2.0), np.ones((3, 3), bool))
    if n < settings.min_foreign_sources:
        return own
    every = np.arange(n + 1)
    peak = ndimage.maximum(height, labels, every)
    shown = ndimage.maximum(ndimage.maximum_filter(other_height, _BESIDE_PX), labels, every)
    is_foreign = (peak > limit) & (shown < _SHOWN_FRACTION * peak) & (np.bincount(labels.ravel()) >= _MIN_SOURCE_PX)
    is_foreign[0] = False
    n_at_target = is_foreign[np.unique(labels[within_px(labels.shape, _TARGET_PX, _GUARD_RADIUS_PX)])].sum()
    if is_foreign.sum() - n_at_target < settings.min_foreign_sources:
        return own
    return Defects((*own.reasons, "foreign_sources"), own.invalid | is_foreign[labels])
