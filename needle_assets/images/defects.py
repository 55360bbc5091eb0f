"""What is wrong with an image, told by rules: each broken rule has a name, each unusable pixel is marked (paper, section 3.1).

The paper asks a network alone. Rules come first here because they are certain, need no training and say what they found; the
network (``classifiers/quality.py``) is left with what rules cannot see.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.noise import measure_sky
from needle_assets.settings import QualitySettings
from needle_assets.shapes import require_images

# Names of the rules, in the order in which they are reported.
RULES = (
    *("wrong_shape", "empty", "missing_pixels", "sentinel_values", "impossible_values", "constant", "repeated_value"),
    *("constant_rows", "constant_columns", "bright_rows", "bright_columns", "dark_rows", "dark_columns", "negative_pixels"),
    *("faint_rows", "faint_columns", "banding", "dark_spots", "overflowed_pixels", "foreign_sources"),
)

# ZTF saturates near 6e4 DN, and references are scaled to science: nothing real is this far from zero.
_IMPOSSIBLE_DN = 1e6
# Pixels are floats: on 860 real images no value occurs more than three times, fill values occur hundreds of times.
_MIN_REPEATS = 12
# In an image of whole numbers values repeat by chance; there the rule is silent.
_MIN_UNIQUE_FRACTION = 0.5
_MIN_LINE_PX = 10
# A line is odd if nine tenths of it are: a source covers less, or fades out over several lines.
_LINE_FRACTION = 0.9
_MIN_EDGE = 0.5
# Lines too faint for their pixels to tell are looked for end to end and along half of the stamp, against three lines on each
# side beyond the next one, because damage can be two lines wide. Sources and two pixels around them are left out, but no line
# fainter than what the rule of bright lines sees; a line needs this fraction of its pixels.
_BESIDE_PX = (2, 3, 4)
_MIN_FREE_FRACTION = 0.6
_SOURCE_SIGMA = 2.5
_CLIP_SIGMA = 4.0
_MAD_TO_SIGMA = 1.482602
# A star of ZTF seen as a hole: widths as of a sharp image and as of a blurred one.
_SPOT_WIDTHS_PX = (1.2, 2.0)
# How far a hole reaches around its deepest pixel; larger ones are steps in the sky, of which it is not known which side is right.
_SPOT_EDGE_SIGMA = 3.0
_MAX_SPOT_FRACTION = 0.1
# Inside a source, where the surroundings are this bright, every pixel is lit by the point spread; noise alone is no hollow in it.
_LIT_SIGMA = 8.0
_HOLLOW_SIGMA = 4.0
# A line is compared with the next ones only where a third of its pixels show sky, and an image is judged by as many lines as that.
_MIN_BANDED_FRACTION = 1.0 / 3.0
# Stamps are centred on the target, within half a pixel of their middle one: what is missing this near is missing of the transient.
_NEAR_TARGET_PX = 3


class Defects(NamedTuple):
    """Names of the broken rules (none: the image is good by the rules), and the pixels that cannot be used."""

    reasons: tuple[str, ...]
    invalid: NDArray[np.bool_]


def find_defects(image: NDArray[np.floating], settings: QualitySettings | None = None) -> Defects:
    """
    Apply every rule to an image.

    Parameters
    ----------
    image : ndarray, shape (n, n), float
        Stamp [DN] of any size; NaN marks a missing pixel. What is not square is ``wrong_shape``.
    settings : QualitySettings, optional
        Limits of the rules; ``default`` if left out.

    Returns
    -------
    Defects
        ``invalid`` has the shape of the image and marks missing, fill-value, constant-line, odd-line and negative pixels.

    Notes
    -----
    A fraction of missing pixels can be allowed, but none within three pixels of the target.

    Paper, section 3.1 and Figure 4: missing pixels, bad rows and columns, extreme values, incomplete shapes. An odd line is one
    of which nine tenths lie ``line_sigma`` above or below the sky and that sets in abruptly, so that galaxies wider than the
    stamp are left alone. A pixel ``negative_sigma`` below the sky is a wrapped or dead one: science and reference are direct
    images, no source in them is negative. So a spot as wide as a star that lies ``dark_spot_sigma`` below the sky, in units of the
    scatter of spots of that width, is damage too (often subtracted or masked twice). Inside a source a pixel has overflowed if it
    is below the sky, or lower than all neighbours but one by ``hollow_fraction`` of what surrounds it: no point spread is so
    sharp. A line whose mean differs from both sides by ``faint_line_sigma`` times the scatter of such differences in the image is
    faint damage: a dead column, or the end of one that bled. Where the means of lines differ ``banding_ratio`` times as much as
    the scatter of single pixels explains, the whole image is banded.
    """
    require_images(image=image)
    settings = settings or QualitySettings()
    if image.ndim != 2 or image.shape[0] != image.shape[1] or image.size == 0:
        return Defects(("wrong_shape",), np.ones(image.shape, bool))
    finite = np.isfinite(image)
    size = np.abs(np.where(finite, image, 0.0))
    found = {"sentinel_values": finite & np.isin(image, settings.sentinels)}
    found["impossible_values"] = (size > _IMPOSSIBLE_DN) & ~found["sentinel_values"]
    usable = finite & ~found["sentinel_values"] & ~found["impossible_values"]
    is_short = np.count_nonzero(finite) < settings.min_finite_fraction * image.size or not finite[_near_target(len(image))].all()
    if is_short:
        found["missing_pixels"] = ~finite
    if usable.any():
        found |= _value_rules(np.where(usable, image, np.nan).astype(np.float64), usable, settings)
    else:
        found["empty"] = np.ones(image.shape, bool)
    broken = {name: found[name] for name in RULES if name in found and found[name].any()}
    return Defects(tuple(broken), np.logical_or.reduce([~usable, *broken.values()]))


def _value_rules(
    image: NDArray[np.float64], usable: NDArray[np.bool_], settings: QualitySettings
) -> dict[str, NDArray[np.bool_]]:
    """Rules on the pixels that hold a value; ``image`` is NaN elsewhere."""
    ordered = np.sort(image[usable])
    if ordered[0] == ordered[-1]:
        return {"constant": usable}
    found = {}
    left = usable
    if ordered.size >= _MIN_REPEATS and (ordered[_MIN_REPEATS - 1 :] == ordered[: 1 - _MIN_REPEATS]).any():
        found["repeated_value"] = _repeated(image, usable)
        left = left & ~found["repeated_value"]
    found["constant_rows"], found["constant_columns"] = _constant_lines(image, left), _constant_lines(image.T, left.T).T
    left = left & ~found["constant_rows"] & ~found["constant_columns"]
    return found | _height_rules(image, left, settings) if left.any() else found


def _height_rules(image: NDArray[np.float64], left: NDArray[np.bool_], settings: QualitySettings) -> dict[str, NDArray[np.bool_]]:
    """Rules on how far pixels and lines lie above or below the sky; only pixels in ``left`` count."""
    sky = measure_sky(image, exclude=~left)
    height = np.where(left, (image - sky.level) / max(sky.sigma, np.finfo(float).tiny), np.nan)
    with np.errstate(invalid="ignore"):
        is_high, is_low = height > settings.line_sigma, height < -settings.line_sigma
        found = {"negative_pixels": height < -settings.negative_sigma}
    for name, odd in (("bright", is_high), ("dark", is_low)):
        found[f"{name}_rows"] = _odd_lines(odd, height, left)
        found[f"{name}_columns"] = _odd_lines(odd.T, height.T, left.T).T
    is_line = found["dark_rows"] | found["dark_columns"]
    found["negative_pixels"] &= ~is_line
    usable = left & ~is_line & ~found["negative_pixels"]
    around = ndimage.uniform_filter(np.nan_to_num(height), 3)  # a missing pixel counts as sky; other rules name it
    sky_pixels = usable & ~_grown(_grown(around > _SOURCE_SIGMA))
    found["faint_rows"], found["faint_columns"] = _faint_lines(height, sky_pixels, settings.faint_line_sigma)
    even = sky_pixels & ~found["faint_rows"] & ~found["faint_columns"]  # one odd line is no banding
    is_banded = max(_banding(height, even), _banding(height.T, even.T)) > settings.banding_ratio
    return found | {
        "banding": left & is_banded,
        "dark_spots": _dark_spots(height, usable, settings),
        "overflowed_pixels": _overflowed(height, around, settings.hollow_fraction),
    }


class _Windows(NamedTuple):
    """Which pixels of a line are summed, shape (windows, n), how many each, and which lines lie beside which, shape (n, n)."""

    pixels: NDArray[np.float64]
    lengths_px: NDArray[np.float64]
    beside: NDArray[np.float64]


@lru_cache(maxsize=8)
def _windows(n_px: int) -> _Windows:
    """Windows end to end and along half of a line of this many pixels, every sixth of it."""
    sixth = np.minimum(np.arange(n_px) // max(n_px // 6, 1), 5)
    pixels = np.stack([np.isin(sixth, range(first, first + n)).astype(np.float64) for n in (6, 3) for first in range(7 - n)])
    return _Windows(pixels, pixels.sum(axis=1), np.sum([np.eye(n_px, k=offset) for offset in _BESIDE_PX], axis=0))


def _near_target(n_px: int) -> tuple[slice, slice]:
    near = slice(max(n_px // 2 - _NEAR_TARGET_PX, 0), n_px // 2 + _NEAR_TARGET_PX + 1)
    return near, near


def _faint_lines(
    height: NDArray[np.float64], free: NDArray[np.bool_], limit: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels of rows, and of columns, that are a little brighter or darker than both sides, along all or half of their length."""
    values = np.where(free, np.clip(height, -_CLIP_SIGMA, _CLIP_SIGMA), 0.0)
    found, windows = np.zeros((2, *height.shape), bool), _windows(len(height))
    for which, window, line in zip(*np.nonzero(_stand_out(np.stack([values.T, values, free.T, free]), limit)), strict=True):
        found[which, windows.pixels[window] > 0.0, line] = True
    return found[0].T & free, found[1] & free


def _stand_out(stacked: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
    """
    Where the mean of a column differs from that of both sides, in the same direction; shape (2, windows, columns).

    ``stacked`` holds two images, zero where a pixel does not count, and two that are one where it does.
    """
    windows, lengths_px, beside = _windows(stacked.shape[-1])
    own = windows @ stacked
    left, right = own @ beside, own @ beside.T
    known = np.minimum(own[2:], np.minimum(left[2:], right[2:]) / len(_BESIDE_PX)) >= _MIN_FREE_FRACTION * lengths_px[:, None]
    mean, mean_left, mean_right = (sums[:2] / np.maximum(sums[2:], 1.0) for sums in (own, left, right))
    more_left, more_right = mean - mean_left, mean - mean_right
    least = np.where(known & (more_left * more_right > 0.0), np.minimum(np.abs(more_left), np.abs(more_right)), 0.0)
    scatter = np.stack([lengths_px**-0.5] * 2)  # of white noise; resampled images have more, and banded ones across their bands
    for which, window in np.argwhere((least > limit * scatter[:, :, None]).any(axis=2)):
        same = np.isin(lengths_px, lengths_px[window])
        differences = (more_left + more_right)[which, same][known[which, same]] / 2.0
        scatter[which, window] = max(scatter[which, window], _MAD_TO_SIGMA * np.median(np.abs(differences)))
    return least > limit * scatter[:, :, None]


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask and the pixels that share a side with it; ten times as fast as SciPy's for masks of this size."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _dark_spots(height: NDArray[np.float64], usable: NDArray[np.bool_], settings: QualitySettings) -> NDArray[np.bool_]:
    """Usable pixels of holes as wide as a star; all others count as sky."""
    holes = np.zeros(height.shape, bool)
    if np.count_nonzero(usable) < usable.size / 2:
        return holes
    filled = np.where(usable, np.clip(height, -settings.negative_sigma, _LIT_SIGMA), 0.0)
    for width_px in _SPOT_WIDTHS_PX:
        smooth = ndimage.gaussian_filter(filled, width_px, truncate=3.0)
        ordered = np.sort(smooth[usable])
        low, middle = ordered[int(0.1587 * ordered.size)], ordered[ordered.size // 2]
        if middle == low:
            continue
        depth = np.where(usable, (middle - smooth) / (middle - low), 0.0)
        if depth.max() > settings.dark_spot_sigma:
            labels, _ = ndimage.label(depth > _SPOT_EDGE_SIGMA)
            deep = np.unique(labels[depth > settings.dark_spot_sigma])
            holes |= np.isin(labels, deep[np.bincount(labels.ravel())[deep] <= _MAX_SPOT_FRACTION * depth.size])
    return holes & (height < -1.0)  # smoothing reaches beyond the damage


def _banding(height: NDArray[np.float64], free: NDArray[np.bool_]) -> float:
    """How much more columns differ from both neighbours than their pixels do; 1 for noise, 0 if it cannot be told."""
    values = np.clip(height, -_CLIP_SIGMA, _CLIP_SIGMA)
    known = free[:, 1:-1] & free[:, :-2] & free[:, 2:]
    bends = np.where(known, values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2.0, 0.0)
    n = known.sum(axis=0)
    judged = n >= _MIN_BANDED_FRACTION * len(height)
    if judged.sum() < _MIN_BANDED_FRACTION * len(height):
        return 0.0
    of_columns, of_pixels = (bends.sum(axis=0)[judged] ** 2 / n[judged]).mean(), (bends[known] ** 2).mean()
    return float(np.sqrt(of_columns / of_pixels)) if of_pixels > 0.0 else 0.0


def _overflowed(height: NDArray[np.float64], around: NDArray[np.float64], hollow_fraction: float) -> NDArray[np.bool_]:
    """Pixels of sources, ``around`` being the mean of 3 x 3, that lie below the sky or in a hollow sharper than any point spread."""
    found = np.zeros(height.shape, bool)
    with np.errstate(invalid="ignore"):
        is_low = (height < around) & (around > _LIT_SIGMA / 3.0)
    rows, columns = np.nonzero(is_low[1:-1, 1:-1])
    if len(rows):
        boxes = np.stack([height[rows + y, columns + x] for y in range(3) for x in range(3)], axis=1)
        own, neighbours = boxes[:, 4], np.sort(np.delete(boxes, 4, axis=1), axis=1)
        lit = np.median(boxes, axis=1)
        with np.errstate(invalid="ignore"):  # a missing neighbour leaves no median to judge by: not lit
            is_hollow = neighbours[:, 1] - own > np.maximum(_HOLLOW_SIGMA, hollow_fraction * lit)
            is_found = (lit > _LIT_SIGMA) & ((own < 0.0) | is_hollow)
        found[rows[is_found] + 1, columns[is_found] + 1] = True
    return found


def _repeated(image: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that hold one and the same value as many others."""
    values, counts = np.unique(image[usable], return_counts=True)
    if values.size < _MIN_UNIQUE_FRACTION * (counts.sum() - counts.max()):
        return np.zeros(image.shape, bool)
    return np.isin(image, values[counts >= _MIN_REPEATS])


def _constant_lines(image: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows whose usable pixels all hold the same value."""
    high = np.where(usable, image, -np.inf).max(axis=1)
    low = np.where(usable, image, np.inf).min(axis=1)
    return ((high == low) & (usable.sum(axis=1) >= _MIN_LINE_PX))[:, None] & usable


def _odd_lines(odd: NDArray[np.bool_], height: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows that are odd from end to end, and begin and end abruptly."""
    n_usable, n_odd = usable.sum(axis=1), odd.sum(axis=1)
    is_odd = (n_usable >= _MIN_LINE_PX) & (n_odd >= _LINE_FRACTION * n_usable)
    return _abrupt(is_odd, height)[:, None] & usable if is_odd.any() else np.zeros_like(odd)


def _abrupt(is_odd: NDArray[np.bool_], height: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of the runs of odd rows, those with an edge inside the stamp at which at least half of the height is gained at once."""
    runs, n = ndimage.label(is_odd)
    kept = np.zeros(is_odd.shape, bool)
    for run in range(1, n + 1):
        rows = np.flatnonzero(runs == run)
        edges = [(rows[0], rows[0] - 1), (rows[-1], rows[-1] + 1)]
        inside = [(at, beside) for at, beside in edges if 0 <= beside < is_odd.size and np.isfinite(height[beside]).any()]
        if inside and all(_gain(height, at, beside) >= _MIN_EDGE for at, beside in inside):
            kept[rows] = True
    return kept


def _gain(height: NDArray[np.float64], at: int, beside: int) -> float:
    both = np.isfinite(height[at]) & np.isfinite(height[beside])
    if not both.any():
        return 0.0
    own = float(np.median(height[at][both]))
    return float(np.median(height[at][both] - height[beside][both])) / own
