"""Restoration and masking as the authors' NEEDLE 2.0 code does them, for comparison only (preset ``needle2``).

Written from a description of its behaviour, weaknesses included: each is named where it happens. Nothing here is used by the
other presets. Random draws come from the generator passed in, the one thing that differs on purpose.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.shapes import require_images

Position = tuple[float, float]

_BRIGHT_SIGMA = 2.0
_FIXED_HALF_WIDTH_PX = 3
_NAN_STANDS_FOR = 255.0
_MIN_SIGMA = 1e-5


class Masked(NamedTuple):
    """The kept pixels, the overwritten ones (the two may overlap), and the number of sources overwritten."""

    mask: NDArray[np.bool_]
    replaced: NDArray[np.bool_]
    n_sources_removed: int


def difference_mask(bad: NDArray[np.floating], good: NDArray[np.floating], *, threshold: float = 0.2) -> NDArray[np.bool_]:
    """
    Pixels whose structural dissimilarity to the good image exceeds ``threshold``.

    Both images are scaled to [0, 1] upside down, missing pixels become 255, and the similarity is told that the data range is
    255. So only missing pixels can ever be flagged, each with the 7 x 7 pixels around it; pads, saturated rows and dead columns
    are never found.
    """
    from skimage.metrics import structural_similarity  # other presets do without

    require_images(bad=bad, good=good)
    _, similarity = structural_similarity(_upside_down(bad), _upside_down(good), data_range=255.0, full=True)
    return np.asarray(1.0 - similarity > threshold)


def restore(
    bad: NDArray[np.floating], good: NDArray[np.floating], *, threshold: float = 0.2
) -> tuple[NDArray, NDArray[np.bool_]]:
    """
    The bad image with flagged pixels taken from the good one by Eq. 2, and the flagged pixels.

    Mean and scatter are those of the whole images, stars included; the transient is not spared. Where the good image is
    missing the result is too.
    """
    require_images(bad=bad, good=good)
    flagged = difference_mask(bad, good, threshold=threshold)
    valid = bad[np.isfinite(bad) & ~flagged].astype(np.float64)
    donor = good.astype(np.float64)
    scale = valid.std() / max(float(np.nanstd(donor)), _MIN_SIGMA)
    restored = bad.astype(np.float64)
    restored[flagged] = (donor[flagged] - np.nanmean(donor)) * scale + valid.mean()
    return restored, flagged


def source_mask(
    science: NDArray[np.floating], reference: NDArray[np.floating], *, target_px: Position, host_px: Position | None
) -> Masked:
    """
    Kept and overwritten pixels.

    Pixels 2 sigma above *or below* the median are sources, so are 6 x 6 pixels at the target and at the host, whose position is
    moved onto the border if it lies outside. The nearest cluster is the target's, however far. Other clusters are grown by two
    pixels and overwritten, the transient's own edge included.
    """
    require_images(science=science, reference=reference)
    host = (
        None
        if host_px is None
        else (float(np.clip(host_px[0], 0, science.shape[1] - 1)), float(np.clip(host_px[1], 0, science.shape[0] - 1)))
    )
    science_bright = _bright(science, target_px, host)
    reference_bright = _bright(reference, target_px, host)
    mask = _nearest(science_bright, target_px)
    if host is not None:
        mask = mask | _nearest(science_bright, host) | _nearest(reference_bright, host)
    else:
        mask = mask | _block(reference.shape, target_px)
    labels, n = ndimage.label(science_bright | reference_bright)
    touched = np.zeros(n + 1, bool)
    touched[labels[mask]] = True
    touched[0] = True
    return Masked(mask, ndimage.binary_dilation(~touched[labels], iterations=2), int(n + 1 - touched.sum()))


def background_noise(image: NDArray[np.floating], target_px: Position, host_px: Position | None) -> NDArray[np.float64]:
    """Pixels outside the bright ones, in row-major order [DN]; Eq. 3 is not applied."""
    require_images(image=image)
    return image[np.isfinite(image) & ~_bright(image, target_px, host_px)].astype(np.float64)


def _upside_down(image: NDArray[np.floating]) -> NDArray[np.float64]:
    low, high = float(np.nanmin(image)), float(np.nanmax(image))
    scaled = (high - image.astype(np.float64)) / max(high - low, _MIN_SIGMA)
    return np.where(np.isnan(scaled), _NAN_STANDS_FOR, scaled)


def _bright(image: NDArray[np.floating], target_px: Position, host_px: Position | None) -> NDArray[np.bool_]:
    from astropy.stats import sigma_clip  # other presets do without

    finite = np.isfinite(image)
    # The numbers under the mask count for nothing, but sigma_clip warns of NaN.
    outliers = np.ma.getmaskarray(sigma_clip(np.ma.array(np.nan_to_num(image), mask=~finite), sigma=_BRIGHT_SIGMA, maxiters=3))
    bright = (outliers & finite) | _block(image.shape, target_px)
    return bright if host_px is None else bright | _block(image.shape, host_px)


def _block(shape: tuple[int, ...], place_px: Position) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    x, y = int(np.rint(place_px[0])), int(np.rint(place_px[1]))
    half = _FIXED_HALF_WIDTH_PX
    return (columns >= x - half) & (columns < x + half) & (rows >= y - half) & (rows < y + half)


def _nearest(bright: NDArray[np.bool_], place_px: Position) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(bright)
    rows, columns = np.nonzero(bright)
    nearest = int(np.argmin(np.hypot(columns - place_px[0], rows - place_px[1])))
    return np.asarray(labels == labels[rows[nearest], columns[nearest]])
