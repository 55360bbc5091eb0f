"""Repair the unusable pixels of a bad image from a good one of the same field (paper, section 3.2)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.errors import Rejection
from needle_assets.images import needle2
from needle_assets.images.matching import MatchedDonor, match_moments, match_sources, shifted
from needle_assets.images.noise import draw_noise, symmetric_noise
from needle_assets.images.sources import find_sources, grown, is_background, within_px
from needle_assets.settings import RestorationSettings
from needle_assets.shapes import require_images

Position = tuple[float, float]

# The common scale on which two images are compared runs from 5 sigma below the sky to 50 above.
_SCALE_SIGMA = (-5.0, 50.0)
_SSIM_WINDOW_PX = 7
_SSIM_K1, _SSIM_K2 = 0.01, 0.03
# Beside being dissimilar, a damaged pixel must differ by more than noise and an imperfect point spread explain.
_RESIDUAL_SIGMA = 4.0
_RESIDUAL_FRACTION = 0.2
_LINE_LENGTH_PX = 15
_LINE_WIDTH_PX = 4
_MIN_BLOB_PX = 5
# On real pairs 5 % of the bright pixels differ in the median and less than half in 98 %; 100 % do beside a foreign field.
_BRIGHT_SIGMA = 8.0
_MIN_BRIGHT_PX = 15
_ATTACHED_PX = 3
# Science is about four times as noisy as the reference: a donor this much noisier lends only the sources it shows.
_NOISY_DONOR = 1.5
_SHOWN_SIGMA = 3.0


class Detection(NamedTuple):
    """An earlier image that may serve as donor: packet, time [MJD], and whether it is good."""

    candid: int
    mjd: float
    is_good: bool


class Restored(NamedTuple):
    """
    A repaired image.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx), float64
        The image [DN], without missing pixels.
    repaired : ndarray of bool, shape (ny, nx)
        Pixels that were written; all others are as they came.
    n_from_noise : int
        Of these, pixels drawn from the image's own noise: the donor has none there, or is so noisy that it shows only noise.
    gain : float
        Flux of the image per flux of the donor.
    is_transient_lost : bool
        A written pixel lies within ``transient_radius_px`` of the target: its light has been replaced by the donor's.
    """

    pixels: NDArray[np.float64]
    repaired: NDArray[np.bool_]
    n_from_noise: int
    gain: float
    is_transient_lost: bool


def prior_donor(mjd: float, detections: Sequence[Detection], *, max_prior_detections: int = 5) -> Detection | None:
    """
    The latest good one among the ``max_prior_detections`` detections before ``mjd``; None if none is good.

    Paper, section 3.2, step 1: "up to five prior detections". The authors' code takes the five brightest, before or after.
    ``detections`` are those of one object in one band; ties in time go to the higher candid.
    """
    before = sorted((d for d in detections if d.mjd < mjd), key=lambda d: (d.mjd, d.candid), reverse=True)
    return next((d for d in before[:max_prior_detections] if d.is_good), None)


def restore(
    bad: NDArray[np.floating],
    donor: NDArray[np.floating],
    *,
    invalid: NDArray[np.bool_],
    donor_invalid: NDArray[np.bool_],
    target_px: Position,
    rng: np.random.Generator,
    donor_target_px: Position | None = None,
    is_suspect: bool = False,
    settings: RestorationSettings | None = None,
) -> Restored:
    """
    Write the damaged pixels of an image from a donor.

    Parameters
    ----------
    bad, donor : ndarray, shape (ny, nx), float
        Image to repair and a good image of the same field [DN].
    invalid, donor_invalid : ndarray of bool, same shape
        Pixels of each that hold no usable value, from :func:`needle_assets.images.defects.find_defects`.
    target_px : tuple of float
        Column and row of the transient in ``bad``.
    rng : numpy.random.Generator
        Draws noise where the donor has no pixels either.
    donor_target_px : tuple of float, optional
        The same in the donor, if that is on another grid (an earlier detection); the donor is moved accordingly.
    is_suspect : bool
        The image was judged bad without a broken rule: damage is then looked for by comparison alone.
    settings : RestorationSettings, optional
        ``default`` if left out.

    Raises
    ------
    Rejection
        If at least ``max_repaired_fraction`` of the image would have to be written, if no usable pixel is left, or if more than
        ``max_mismatch_fraction`` of the bright, undamaged pixels differ: the donor shows something else.

    Notes
    -----
    Paper, section 3.2, steps 3 and 4. Damage = unusable pixels, and dissimilar ones (1 - SSIM above ``ssim_threshold``) that
    touch them or form a line; never within ``guard_radius_px`` of the target unless unusable, where science and reference
    differ because of the transient. The authors' code finds missing pixels only (with the 7 x 7 around each, the transient
    included), and leaves holes where the donor has them.
    """
    require_images(bad=bad, donor=donor, invalid=invalid, donor_invalid=donor_invalid)
    settings = settings or RestorationSettings()
    _require_enough(invalid, settings)
    if donor_target_px is not None:
        shift = (target_px[0] - donor_target_px[0], target_px[1] - donor_target_px[1])
        donor, donor_invalid = shifted(donor, donor_invalid, shift)
    if settings.method == "needle2":
        return _restored_like_needle2(bad, donor, target_px, settings)
    if not (invalid.any() or is_suspect):
        return Restored(bad.astype(np.float64), np.zeros(bad.shape, bool), 0, 1.0, False)
    matched = _match(bad, donor, invalid, donor_invalid, target_px, settings)
    comparison = _compare(bad, matched, invalid, target_px, settings)
    damaged = invalid | _damage_by_comparison(comparison, invalid, settings)
    _require_enough(damaged, settings)
    if settings.method == "matched":  # by Eq. 2 as printed, sources never agree
        _require_same_field(comparison, damaged, target_px, settings)
    return _written(bad, matched, damaged, target_px, rng, settings)


def completed(
    bad: NDArray[np.floating],
    *,
    invalid: NDArray[np.bool_],
    target_px: Position,
    rng: np.random.Generator,
    settings: RestorationSettings | None = None,
) -> Restored:
    """
    Draw the damaged pixels of an image from its own noise: for a few pixels that no other image shows either.

    Where host and transient are whole nothing is lost, because masking replaces everything around them by such noise anyway.

    Raises
    ------
    Rejection
        If less than ``min_own_fraction`` of the image would be its own.

    Notes
    -----
    The paper drops a pair whose images are both bad, and so do presets ``paper`` and ``needle2``.
    """
    require_images(bad=bad, invalid=invalid)
    settings = settings or RestorationSettings()
    fraction = 1.0 - np.count_nonzero(invalid) / invalid.size
    if not settings.min_own_fraction <= fraction < 1.0:
        raise Rejection(
            f"{fraction:.1%} of the image is usable and no other image of the field is good; {settings.min_own_fraction:.0%} is "
            "needed to go on without one.",
            usable_fraction=fraction,
        )
    pixels, n_empty = bad.astype(np.float64), int(invalid.sum())
    pixels[invalid] = draw_noise(_own_noise(bad, invalid), n_empty, rng)
    return Restored(pixels, invalid.copy(), n_empty, float("nan"), _is_lost(invalid, target_px, settings))


def dissimilarity(image: NDArray[np.floating], other: NDArray[np.floating], *, data_range: float) -> NDArray[np.float64]:
    """
    1 - structural similarity of two images, pixel by pixel (Wang et al. 2004; paper, section 3.2, step 3).

    Windows of 7 x 7 pixels, K1 = 0.01, K2 = 0.03, sample covariance: the map of ``skimage.metrics.structural_similarity`` with
    its defaults, without its checks. ``data_range`` is the range that the values can take, which the authors' code sets to 255
    for images between 0 and 1, and then sees nothing.
    """
    require_images(image=image, other=other)
    n = _SSIM_WINDOW_PX**2
    mean = [
        ndimage.uniform_filter(values, _SSIM_WINDOW_PX) for values in (image, other, image * image, other * other, image * other)
    ]
    variance_sum = n / (n - 1.0) * (mean[2] - mean[0] ** 2 + mean[3] - mean[1] ** 2)
    covariance = n / (n - 1.0) * (mean[4] - mean[0] * mean[1])
    c1, c2 = (_SSIM_K1 * data_range) ** 2, (_SSIM_K2 * data_range) ** 2
    similar = (2.0 * mean[0] * mean[1] + c1) * (2.0 * covariance + c2)
    return 1.0 - similar / ((mean[0] ** 2 + mean[1] ** 2 + c1) * (variance_sum + c2))


def _match(
    bad: NDArray[np.floating],
    donor: NDArray[np.floating],
    invalid: NDArray[np.bool_],
    donor_invalid: NDArray[np.bool_],
    target_px: Position,
    settings: RestorationSettings,
) -> MatchedDonor:
    if settings.method == "paper":
        return match_moments(bad, donor, invalid=invalid, donor_invalid=donor_invalid)
    return match_sources(
        bad, donor, invalid=invalid, donor_invalid=donor_invalid, target_px=target_px, guard_radius_px=settings.guard_radius_px
    )


class _Comparison(NamedTuple):
    """Heights above the sky of image and matched donor [sigma of their difference], and where they clearly differ."""

    height: NDArray[np.float64]
    donor_height: NDArray[np.float64]
    differs: NDArray[np.bool_]
    is_bright: NDArray[np.bool_]


def _compare(
    bad: NDArray[np.floating],
    matched: MatchedDonor,
    invalid: NDArray[np.bool_],
    target_px: Position,
    settings: RestorationSettings,
) -> _Comparison:
    """Both images on one robust scale; differences count away from the target, and beyond an imperfect point spread."""
    sigma = max(float(np.hypot(matched.sky.sigma, matched.donor_sigma)), np.finfo(float).tiny)
    usable = ~invalid & np.isfinite(matched.image)
    donor_height = np.where(usable, matched.image - matched.sky.level, 0.0) / sigma
    height = np.where(usable, bad - matched.sky.level, 0.0) / sigma
    counted = usable & ~within_px(bad.shape, target_px, settings.guard_radius_px)
    differs = np.abs(height - donor_height) > _RESIDUAL_SIGMA + _RESIDUAL_FRACTION * np.abs(donor_height)
    is_bright = np.maximum(height, np.abs(donor_height)) > _BRIGHT_SIGMA
    return _Comparison(height, donor_height, differs & counted, is_bright & counted)


def _damage_by_comparison(
    comparison: _Comparison, invalid: NDArray[np.bool_], settings: RestorationSettings
) -> NDArray[np.bool_]:
    """Pixels that differ, are dissimilar, and belong to damage: attached to unusable pixels or in a line."""
    if not comparison.differs.any():
        return comparison.differs
    scales = [
        ndimage.gaussian_filter(np.clip(values, *_SCALE_SIGMA), 1.0) for values in (comparison.height, comparison.donor_height)
    ]
    unlike = dissimilarity(*scales, data_range=_SCALE_SIGMA[1] - _SCALE_SIGMA[0]) > settings.ssim_threshold
    return _attached(comparison.differs & unlike, invalid)


def _attached(candidates: NDArray[np.bool_], invalid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Candidate pixels close to unusable ones, or in a line; where nothing is unusable, in any group of some size."""
    labels, n = ndimage.label(candidates, np.ones((3, 3), bool))
    kept = np.zeros(n + 1, bool)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        height, width = (part.stop - part.start for part in box)
        is_line = max(height, width) >= _LINE_LENGTH_PX and min(height, width) <= _LINE_WIDTH_PX
        is_blob = not invalid.any() and (labels[box] == label).sum() >= _MIN_BLOB_PX
        kept[label] = is_line or is_blob
    return kept[labels] | (candidates & grown(invalid, _ATTACHED_PX))


def _written(
    bad: NDArray[np.floating],
    matched: MatchedDonor,
    damaged: NDArray[np.bool_],
    target_px: Position,
    rng: np.random.Generator,
    settings: RestorationSettings,
) -> Restored:
    pixels = np.where(damaged, matched.image, bad).astype(np.float64)
    empty = damaged & (~np.isfinite(pixels) | _only_noise(matched))
    n_empty = int(empty.sum())
    if n_empty:
        pixels[empty] = draw_noise(_own_noise(bad, damaged), n_empty, rng)
    return Restored(pixels, damaged, n_empty, matched.gain, _is_lost(damaged, target_px, settings))


def _only_noise(matched: MatchedDonor) -> NDArray[np.bool_]:
    """Where a donor much noisier than the image shows no source: its noise would say nothing and stand out."""
    if matched.donor_sigma <= _NOISY_DONOR * matched.sky.sigma:
        return np.zeros(matched.image.shape, bool)
    height = np.where(np.isfinite(matched.image), matched.image - matched.sky.level, 0.0)
    smooth_sigma = matched.donor_sigma / (2.0 * np.sqrt(np.pi))
    return ~grown(ndimage.gaussian_filter(height, 1.0) > _SHOWN_SIGMA * smooth_sigma, 2)


def _own_noise(bad: NDArray[np.floating], damaged: NDArray[np.bool_]) -> NDArray[np.float64]:
    whole = np.where(damaged, np.nan, bad)
    return symmetric_noise(whole, is_background(whole, find_sources(whole)))


def _is_lost(damaged: NDArray[np.bool_], target_px: Position, settings: RestorationSettings) -> bool:
    return bool((damaged & within_px(damaged.shape, target_px, settings.transient_radius_px)).any())


def _require_enough(damaged: NDArray[np.bool_], settings: RestorationSettings) -> None:
    fraction = np.count_nonzero(damaged) / damaged.size
    if fraction >= settings.max_repaired_fraction:
        raise Rejection(
            f"{fraction:.0%} of the image is damaged; less than {settings.max_repaired_fraction:.0%} can be repaired.",
            damaged_fraction=fraction,
        )


def _require_same_field(
    comparison: _Comparison, damaged: NDArray[np.bool_], target_px: Position, settings: RestorationSettings
) -> None:
    bright = comparison.is_bright & ~damaged
    fraction = _fraction(comparison.differs, bright)
    if bright.sum() >= _MIN_BRIGHT_PX and fraction > settings.max_mismatch_fraction:
        # A bright transient reaches beyond the guard, and differs by its nature: only other sources tell the field.
        bright &= ~_with_target(bright, target_px, settings)
        fraction = _fraction(comparison.differs, bright)
    n_bright = int(bright.sum())
    if n_bright >= _MIN_BRIGHT_PX and fraction > settings.max_mismatch_fraction:
        raise Rejection(
            f"{fraction:.0%} of {n_bright} bright pixels differ between the image and its donor; at most "
            f"{settings.max_mismatch_fraction:.0%} may, or the donor shows something else.",
            mismatch_fraction=fraction,
            n_bright_px=n_bright,
        )


def _fraction(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float((part & whole).sum()) / max(int(whole.sum()), 1)


def _with_target(bright: NDArray[np.bool_], target_px: Position, settings: RestorationSettings) -> NDArray[np.bool_]:
    """Bright pixels connected to the guarded disc around the target."""
    disc = within_px(bright.shape, target_px, settings.guard_radius_px + 1.0)
    labels, _ = ndimage.label(bright | disc, np.ones((3, 3), bool))
    return np.isin(labels, np.unique(labels[disc]))


def _restored_like_needle2(
    bad: NDArray[np.floating], donor: NDArray[np.floating], target_px: Position, settings: RestorationSettings
) -> Restored:
    """The authors' way: unusable pixels that hold a value are not seen, in neither image."""
    pixels, damaged = needle2.restore(bad, donor, threshold=settings.ssim_threshold)
    _require_enough(damaged, settings)
    return Restored(pixels, damaged, 0, float("nan"), _is_lost(damaged, target_px, settings))
