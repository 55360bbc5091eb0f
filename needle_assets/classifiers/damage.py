"""Damage, made on purpose: what the restoration is tested with and the quality checker is trained on.

Every function takes a good stamp and a generator and returns a damaged copy with the mask of the pixels it touched. Heights are
in units of the stamp's own sky scatter. Which kinds a checker was trained on decides nothing here; the two lists of kinds that
rules cannot see are kept apart so that a checker can be judged on kinds it never met.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images.noise import Sky, measure_sky
from needle_assets.shapes import require_images

Damaged = tuple[NDArray[np.float64], NDArray[np.bool_]]
Damage = Callable[[NDArray[np.float64], Sky, np.random.Generator], Damaged]

_SATURATED_DN = 60_000.0
_PAD_VALUE = -999.0


def damaged(image: NDArray[np.floating], kind: str, rng: np.random.Generator) -> Damaged:
    """
    A copy of a stamp with one named kind of damage, and the pixels it touched.

    Parameters
    ----------
    image : ndarray, shape (ny, nx), float
        Good stamp [DN].
    kind : str
        A key of ``KINDS``.
    rng : numpy.random.Generator
        Decides place, size and strength.
    """
    require_images(image=image)
    values = image.astype(np.float64)
    return KINDS[kind](values, measure_sky(values), rng)


def _set(image: NDArray[np.float64], mask: NDArray[np.bool_], value: float | NDArray[np.float64]) -> Damaged:
    changed = image.copy()
    changed[mask] = value[mask] if isinstance(value, np.ndarray) else value
    return changed, mask


def _box(shape: tuple[int, ...], rng: np.random.Generator, size_px: tuple[int, int]) -> NDArray[np.bool_]:
    """A block of random size, somewhere inside."""
    mask = np.zeros(shape, bool)
    height, width = (int(rng.integers(size_px[0], size_px[1] + 1)) for _ in range(2))
    top, left = int(rng.integers(0, shape[0] - height + 1)), int(rng.integers(0, shape[1] - width + 1))
    mask[top : top + height, left : left + width] = True
    return mask


def _rows(shape: tuple[int, ...], rng: np.random.Generator, n: tuple[int, int]) -> NDArray[np.bool_]:
    """Some whole rows next to one another."""
    mask = np.zeros(shape, bool)
    height = int(rng.integers(n[0], n[1] + 1))
    top = int(rng.integers(0, shape[0] - height + 1))
    mask[top : top + height] = True
    return mask


def _border(shape: tuple[int, ...], rng: np.random.Generator, width_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Everything beyond a line parallel to a random side."""
    mask = np.zeros(shape, bool)
    mask[: int(rng.integers(width_px[0], width_px[1] + 1))] = True
    return np.rot90(mask, int(rng.integers(4))).copy()


def _segment(shape: tuple[int, ...], rng: np.random.Generator, length: tuple[float, float]) -> NDArray[np.bool_]:
    """Part of one or two columns or rows."""
    mask = np.zeros(shape, bool)
    extent = int(rng.uniform(*length) * shape[0])
    start, at = int(rng.integers(0, shape[0] - extent + 1)), int(rng.integers(0, shape[1] - 2))
    mask[start : start + extent, at : at + int(rng.integers(1, 3))] = True
    return mask if rng.random() < 0.5 else mask.T.copy()


def _line(shape: tuple[int, ...], rng: np.random.Generator, bend: float = 0.0) -> NDArray[np.float64]:
    """Distance of every pixel from a straight or bent line across the stamp [px]."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle = rng.uniform(0.0, np.pi)
    along = (columns - shape[1] / 2) * np.cos(angle) + (rows - shape[0] / 2) * np.sin(angle)
    across = -(columns - shape[1] / 2) * np.sin(angle) + (rows - shape[0] / 2) * np.cos(angle)
    return np.asarray(np.abs(across - rng.uniform(-20.0, 20.0) - bend * along**2 / shape[0]))


def _stroke(shape: tuple[int, ...], rng: np.random.Generator, length_px: tuple[float, float]) -> NDArray[np.float64]:
    """Distance of every pixel from a short straight line around a place inside [px]."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    x, y = rng.uniform(5.0, shape[0] - 5.0, 2)
    angle, half = rng.uniform(0.0, np.pi), rng.uniform(*length_px) / 2
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = -(columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
    return np.asarray(np.hypot(across, np.maximum(np.abs(along) - half, 0.0)))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _added(image: NDArray[np.float64], extra: NDArray[np.float64], sky: Sky) -> Damaged:
    return image + extra, np.abs(extra) > 0.5 * sky.sigma


def _nan_block(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _box(image.shape, rng, (4, 15)), np.nan)


def _nan_rows(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _rows(image.shape, rng, (1, 4)), np.nan)


def _crop(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _border(image.shape, rng, (3, 15)), np.nan)


def _pad(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _border(image.shape, rng, (3, 15)), _PAD_VALUE)


def _saturated_rows(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _rows(image.shape, rng, (1, 3)), rng.normal(_SATURATED_DN, 300.0, image.shape))


def _saturated_columns(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    changed, mask = _saturated_rows(image.T, sky, rng)
    return changed.T, mask.T


def _dead_columns(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _rows(image.shape, rng, (1, 3)).T, rng.normal(sky.level - 25.0 * sky.sigma, sky.sigma / 2, image.shape))


def _trail(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    profile = np.exp(-0.5 * (_line(image.shape, rng) / rng.uniform(0.7, 1.5)) ** 2)
    return _added(image, _log_uniform(rng, 1.5, 40.0) * sky.sigma * profile, sky)


def _dead_segment(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    low = sky.level - _log_uniform(rng, 1.5, 18.0) * sky.sigma
    return _set(image, _segment(image.shape, rng, (0.3, 0.85)), rng.normal(low, sky.sigma / 2, image.shape))


def _bleeding_segment(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = _segment(image.shape, rng, (0.4, 1.0))
    fading = np.linspace(rng.uniform(0.2, 1.0), 1.0, image.shape[0])
    fading = fading[:, None] if rng.random() < 0.5 else fading[::-1, None]
    fading = fading * np.ones(image.shape) if mask.sum(axis=0).max() > mask.sum(axis=1).max() else fading.T * np.ones(image.shape)
    return _set(image, mask, image + _log_uniform(rng, 1.5, 60.0) * sky.sigma * fading)


def _banding(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    wave = np.sign(np.sin(2.0 * np.pi * np.arange(image.shape[1]) / rng.uniform(3.0, 15.0) + rng.uniform(0.0, 6.0)))
    extra = np.broadcast_to(_log_uniform(rng, 1.0, 8.0) * sky.sigma * wave, image.shape)
    return _added(image, extra.copy() if rng.random() < 0.5 else extra.T.copy(), sky)


def _noisy_patch(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = _box(image.shape, rng, (10, 40))
    return _set(image, mask, image + rng.normal(0.0, rng.uniform(2.5, 8.0) * sky.sigma, image.shape))


def _offset_block(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    step = rng.choice([-1.0, 1.0]) * rng.uniform(2.5, 18.0) * sky.sigma
    return _set(image, _box(image.shape, rng, (8, 45)), image + step)


def _dark_hole(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    x, y = rng.uniform(5.0, image.shape[1] - 5.0, 2)
    depth = (
        rng.uniform(8.0, 19.0) * sky.sigma * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / rng.uniform(1.0, 3.0) ** 2)
    )
    return _added(image, -depth, sky)


def _hot_pixels(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = rng.random(image.shape) < rng.uniform(0.01, 0.05)
    return _set(image, mask, image + rng.uniform(8.0, 80.0, image.shape) * sky.sigma)


def _smear(image: NDArray[np.float64], _sky: Sky, rng: np.random.Generator) -> Damaged:
    blurred = ndimage.uniform_filter1d(image, int(rng.integers(9, 18)), axis=int(rng.integers(2)))
    return blurred, np.ones(image.shape, bool)


def _ramp(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] / image.shape[0] - 0.5
    angle = rng.uniform(0.0, 2.0 * np.pi)
    return _added(image, rng.uniform(10.0, 40.0) * sky.sigma * (np.cos(angle) * columns + np.sin(angle) * rows), sky)


def _stripes(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    angle, period = rng.uniform(0.0, np.pi), rng.uniform(2.0, 14.0)
    wave = np.sin(2.0 * np.pi * (np.cos(angle) * columns + np.sin(angle) * rows) / period + rng.uniform(0.0, 6.0))
    return _added(image, _log_uniform(rng, 1.0, 8.0) * sky.sigma * wave, sky)


def _scratches(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = np.zeros(image.shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        mask |= _stroke(image.shape, rng, (15.0, 45.0)) < rng.uniform(0.6, 1.2)
    return _set(image, mask, image + rng.choice([-1.0, 1.0, 1.0]) * rng.uniform(6.0, 18.0) * sky.sigma)


def _dark_pixels(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = rng.random(image.shape) < rng.uniform(0.003, 0.03)
    return _set(image, mask, image - rng.uniform(8.0, 19.0, image.shape) * sky.sigma)


def _wrapped_cores(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    """Bright stars whose centres have overflowed; where there is none, one is put there."""
    bright = image.copy()
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    mask = np.zeros(image.shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        row, column = divmod(int(np.argmax(np.where(mask, -np.inf, bright))), image.shape[1])
        if bright[row, column] < sky.level + 50.0 * sky.sigma:
            row, column = (int(place) for place in rng.integers(5, image.shape[0] - 5, 2))
            profile = np.exp(-0.5 * ((rows - row) ** 2 + (columns - column) ** 2) / rng.uniform(1.0, 1.6) ** 2)
            bright = bright + rng.uniform(80.0, 400.0) * sky.sigma * profile
        height, width = int(rng.integers(1, 3)), int(rng.integers(1, 4))
        mask[row : row + height, max(column - width // 2, 0) : column + width] = True
    changed, _ = _set(bright, mask, sky.level - rng.uniform(0.0, 10.0) * sky.sigma)
    return changed, np.abs(changed - image) > 0.5 * sky.sigma


def _arc(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    """Part of a wide circle: a reflection that crosses the stamp."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float64)
    x, y = rng.uniform(-40.0, 100.0, 2)
    radius = np.hypot(columns - x, rows - y)
    through = radius[tuple(rng.integers(10, 50, 2))]
    direction = np.arctan2(rows - y, columns - x)
    part = np.cos(direction - rng.choice(direction.ravel())) > rng.uniform(-0.5, 0.9)
    profile = np.exp(-0.5 * ((radius - through) / _log_uniform(rng, 0.8, 4.0)) ** 2)
    return _added(image, _log_uniform(rng, 3.0, 30.0) * sky.sigma * profile * part, sky)


def _tilted_step(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] - image.shape[0] / 2
    angle = np.deg2rad(rng.uniform(10.0, 80.0) + 90.0 * rng.integers(4))
    beyond = np.cos(angle) * columns + np.sin(angle) * rows > rng.uniform(-15.0, 15.0)
    return _set(image, beyond, image + _log_uniform(rng, 0.6, 15.0) * sky.sigma)


def _mesh(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    first, second = (_stripes(np.zeros_like(image), Sky(0.0, sky.sigma), rng)[0] for _ in range(2))
    return _added(image, (first + second) / 2.0, sky)


def _uneven_rows(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    steps = rng.normal(0.0, _log_uniform(rng, 0.7, 5.0) * sky.sigma, (image.shape[0], 1)) * np.ones(image.shape)
    return _added(image, steps if rng.random() < 0.5 else steps.T, sky)


def _displaced_block(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    """A block that belongs to another place of a brighter, noisier image."""
    mask = _box(image.shape, rng, (10, 35))
    other = np.roll(image, tuple(int(step) for step in rng.integers(8, 50, 2)), axis=(0, 1))
    lifted = (other - sky.level) * _log_uniform(rng, 1.5, 4.0) + sky.level + rng.uniform(0.5, 5.0) * sky.sigma
    return _set(image, mask, lifted)


def _glints(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    """Evenly spaced flashes of something that tumbles across, on a faint line."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float64)
    angle, gap = rng.uniform(0.0, np.pi), rng.uniform(6.0, 20.0)
    x, y = rng.uniform(20.0, 40.0, 2)
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = -(columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
    flashes = np.exp(-0.5 * ((along - gap * np.round(along / gap)) ** 2 + across**2) / rng.uniform(0.9, 1.6) ** 2)
    line = np.exp(-0.5 * (across / 1.1) ** 2)
    return _added(image, sky.sigma * (_log_uniform(rng, 5.0, 60.0) * flashes + rng.uniform(0.0, 2.0) * line), sky)


def _dashed_trail(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    distance = _line(image.shape, rng, bend=rng.uniform(-1.0, 1.0))
    dashes = np.sin(np.add.outer(np.arange(image.shape[0]), np.arange(image.shape[1])) * rng.uniform(0.4, 0.9)) > -0.2
    return _added(image, rng.uniform(6.0, 40.0) * sky.sigma * np.exp(-0.5 * (distance / 1.2) ** 2) * dashes, sky)


def _amplifier_step(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    return _set(image, _border(image.shape, rng, (15, 40)), image + rng.uniform(3.0, 10.0) * sky.sigma)


def _ring_ghost(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    x, y = rng.uniform(10.0, 50.0, 2)
    radius = np.hypot(columns - x, rows - y)
    ring = np.exp(-0.5 * ((radius - rng.uniform(12.0, 25.0)) / rng.uniform(1.5, 3.0)) ** 2)
    return _added(image, rng.uniform(4.0, 15.0) * sky.sigma * ring, sky)


def _torn_rows(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    rows = np.stack([np.roll(row, step) for row, step in zip(image, list(rng.integers(-8, 9, len(image))), strict=True)])
    changed = rows + rng.normal(0.0, 1.5 * sky.sigma, (image.shape[0], 1))
    return changed, np.ones(image.shape, bool)


def _checkerboard(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    size = int(rng.integers(1, 6))
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] // size
    return _added(image, rng.uniform(1.5, 5.0) * sky.sigma * (1.0 - 2.0 * ((rows + columns) % 2)), sky)


def _cosmic_rays(image: NDArray[np.float64], sky: Sky, rng: np.random.Generator) -> Damaged:
    mask = np.zeros(image.shape, bool)
    for _ in range(int(rng.integers(3, 9))):
        mask |= _stroke(image.shape, rng, (3.0, 15.0)) < 0.7
    return _set(image, mask, image + rng.uniform(20.0, 200.0, image.shape) * sky.sigma)


# Damage that the rules name: what restoration is for.
RULE_KINDS: Mapping[str, Damage] = {
    "nan_block": _nan_block,
    "nan_rows": _nan_rows,
    "crop": _crop,
    "pad": _pad,
    "saturated_rows": _saturated_rows,
    "saturated_columns": _saturated_columns,
    "dead_columns": _dead_columns,
}
# Damage with a value in every pixel, for the checker to learn ...
TRAINING_KINDS: Mapping[str, Damage] = {
    "trail": _trail,
    "dead_segment": _dead_segment,
    "bleeding_segment": _bleeding_segment,
    "banding": _banding,
    "noisy_patch": _noisy_patch,
    "offset_block": _offset_block,
    "dark_hole": _dark_hole,
    "hot_pixels": _hot_pixels,
    "smear": _smear,
    "ramp": _ramp,
    "stripes": _stripes,
    "scratches": _scratches,
    "dark_pixels": _dark_pixels,
    "wrapped_cores": _wrapped_cores,
    "arc": _arc,
    "tilted_step": _tilted_step,
    "mesh": _mesh,
    "uneven_rows": _uneven_rows,
    "displaced_block": _displaced_block,
    "glints": _glints,
}
# ... and to be judged on without ever having seen the like.
HELD_OUT_KINDS: Mapping[str, Damage] = {
    "dashed_trail": _dashed_trail,
    "amplifier_step": _amplifier_step,
    "ring_ghost": _ring_ghost,
    "torn_rows": _torn_rows,
    "checkerboard": _checkerboard,
    "cosmic_rays": _cosmic_rays,
}
KINDS: Mapping[str, Damage] = {**RULE_KINDS, **TRAINING_KINDS, **HELD_OUT_KINDS}
