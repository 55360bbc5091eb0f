"""Arrays in, bytes of PNG out: stamps as they are shown on pages."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from needle_assets.figures.stamps import stretched

SIDE = 60
SCALE = 3
_LOW, _HIGH = -2.0, 6.0
_MISSING = (224, 122, 106)
_TARGET, _HOST = (64, 200, 255), (255, 170, 60)
Place = tuple[float | None, float | None]
NOWHERE: Place = (None, None)


def stamp_png(pixels: NDArray[np.floating] | None, target: Place = NOWHERE, host: Place = NOWHERE) -> bytes:
    """One square image, 180 px large, with marks on transient and host; missing pixels are red."""
    return _encoded(_marked(_coloured(pixels), target, host))


def pair_png(science: NDArray[np.floating] | None, reference: NDArray[np.floating] | None) -> bytes:
    """A pair side by side, as small as it is stored."""
    sheet = Image.new("RGB", (2 * SIDE + 2, SIDE), (255, 255, 255))
    for left, pixels in ((0, science), (SIDE + 2, reference)):
        sheet.paste(_coloured(pixels), (left, 0))
    return _encoded(sheet)


def mask_png(mask: NDArray[np.bool_], *, is_written: bool = False) -> bytes:
    """A mask of shape (60, 60): white is kept, or red is written."""
    colour = np.array((224, 72, 62) if is_written else (242, 242, 242), dtype=np.uint8)
    rgb = np.where(mask[..., None], colour, np.array((32, 36, 44), dtype=np.uint8))
    return _encoded(_enlarged(Image.fromarray(rgb.astype(np.uint8))))


def attention_png(science: NDArray[np.floating], attention: NDArray[np.floating]) -> bytes:
    """A stamp with the network's attention over it, the brighter the more."""
    base = np.asarray(_coloured(science), dtype=np.float64)
    weight = np.clip(attention / max(float(np.nanmax(attention)), 1e-9), 0.0, 1.0)[..., None]
    glow = np.array((255.0, 120.0, 0.0))
    return _encoded(_enlarged(Image.fromarray((base * (1 - 0.75 * weight) + glow * 0.75 * weight).astype(np.uint8))))


def _coloured(pixels: NDArray[np.floating] | None) -> Image.Image:
    if pixels is None:
        return Image.new("RGB", (SIDE, SIDE), (226, 229, 233))
    side = math.isqrt(np.size(pixels))
    image = stretched(np.asarray(pixels, dtype=np.float64).reshape(side, side))
    grey = np.clip((image - _LOW) / (_HIGH - _LOW), 0.0, 1.0) * 255.0
    rgb = np.where(np.isfinite(image)[..., None], np.nan_to_num(grey)[..., None], np.array(_MISSING))
    return Image.fromarray(rgb.astype(np.uint8))


def _enlarged(image: Image.Image) -> Image.Image:
    return image.resize((SIDE * SCALE, SIDE * SCALE), Image.Resampling.NEAREST)


def _marked(image: Image.Image, target: Place, host: Place) -> Image.Image:
    large = _enlarged(image)
    draw = ImageDraw.Draw(large)
    scale = SIDE * SCALE / image.width
    x, y = _at(target, scale)
    if x is not None and y is not None:
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            draw.line((x + 9 * dx, y + 9 * dy, x + 21 * dx, y + 21 * dy), fill=_TARGET, width=2)
    x, y = _at(host, scale)
    if x is not None and y is not None:
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), outline=_HOST, width=2)
    return large


def _at(place: Place, scale: float) -> Place:
    x, y = place
    return NOWHERE if x is None or y is None else (scale * (x + 0.5), scale * (y + 0.5))


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
