"""The image in a cutout, however it was packed: bytes of a FITS file in, pixels out, within bounds.

ZTF gzips one image without extensions. Brokers and people save it anew: not gzipped, gzipped in pieces or twice, in an extension,
compressed by tiles as fpack does. All of these are read; what is not says what it is.
"""

import io
import math
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from needle_assets.errors import Rejection

MAX_FITS_BYTES = 4 * 2**20
MAX_AXIS_PX = 1000
MAX_UNITS = 16
# Tiles may themselves be gzipped, each to a thousand times its size.
MAX_COMPRESSED_BYTES = 64 * 2**10
MAX_TILES = 256

_CARD = 80
_BLOCK = 2880
_MAX_HEADER_BYTES = 20 * _BLOCK
_GZIP = b"\x1f\x8b"
_PIXEL_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_OTHER_FORMATS = {
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x1f\x9d": "compress (.Z)",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a zip archive",
    b"\x89HDF": "HDF5",
}


class Unit(NamedTuple):
    """One header of a FITS file, where its data start and how many bytes they are."""

    header: dict[str, str]
    start: int
    n_bytes: int

    @property
    def name(self) -> str:
        """What an extension is called; empty for the first unit."""
        return self.header.get("EXTNAME", "").strip("' ")

    @property
    def is_compressed_image(self) -> bool:
        """Whether it is an image compressed by tiles."""
        return self.header.get("ZIMAGE") == "T"

    def __str__(self) -> str:
        if self.is_compressed_image:
            return "a compressed image"
        kind = self.header.get("XTENSION", "").strip("' ")
        if kind not in ("", "IMAGE"):
            return f"a {kind[:20]}"
        return f"an image of {self.header.get('NAXIS', '?')[:20]} axes"


def decode_cutout(data: bytes) -> NDArray[np.float32]:
    """
    The image in a FITS file, gzipped or not, as packets carry it.

    Parameters
    ----------
    data : bytes
        FITS with a two-dimensional image: in its first unit, as ZTF writes it, or in the first extension that has one, plain or
        compressed by tiles. Gzipped in one piece, in several, or not.

    Returns
    -------
    ndarray, shape (ny, nx), float32
        Pixels [DN]; BSCALE, BZERO and BLANK are honoured, values that are not finite are NaN.

    Raises
    ------
    Rejection
        If the bytes are no such file, unpack to more than 4 MiB, or are damaged.

    Notes
    -----
    Equal to what astropy.io.fits reads (tested), but bounded, without its warnings, and about five times faster.
    """
    content = _unpacked(data)
    found: list[str] = []
    for index, unit in enumerate(_units(content)):
        if unit.is_compressed_image:
            return _decompressed(content, unit, index)
        if unit.header.get("XTENSION", "'IMAGE   '").strip("' ") == "IMAGE" and len(_axes(unit.header)) == 2:
            return image_of(content, unit)
        found.append(str(unit))
    raise Rejection(f"the cutout's FITS file holds {', '.join(found)}; an image of two axes is needed.", n_units=len(found))


def units_of(data: bytes) -> tuple[bytes, list[Unit]]:
    """A cutout's FITS file unpacked, and its units in order. Raises Rejection like :func:`decode_cutout`."""
    content = _unpacked(data)
    return content, list(_units(content))


def _unpacked(data: bytes) -> bytes:
    content = data
    for _ in range(2):
        if not content.startswith(_GZIP):
            break
        content = _gunzipped(content)
    if not content.startswith(b"SIMPLE  ="):
        raise Rejection(f"the cutout is {_named(content)}; a FITS file is needed, gzipped or not.", n_bytes=len(content))
    if len(content) > MAX_FITS_BYTES:
        raise Rejection(f"the cutout has {len(content)} bytes, at most {MAX_FITS_BYTES} are read.", n_bytes=len(content))
    return content


def _named(content: bytes) -> str:
    if not content:
        return "empty"
    name = next((name for magic, name in _OTHER_FORMATS.items() if content.startswith(magic)), None)
    return name or f"not a FITS file: it begins with the bytes {content[:8].hex(' ')}"


def _gunzipped(data: bytes) -> bytes:
    """All members of a gzip file, one after the other; what follows them is not looked at."""
    pieces: list[bytes] = []
    n_left, rest = MAX_FITS_BYTES, data
    while rest.startswith(_GZIP):
        inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            piece = inflate.decompress(rest, n_left + 1)
        except zlib.error as error:
            raise Rejection(f"the cutout's gzip of {len(data)} bytes is damaged.", n_bytes=len(data)) from error
        if len(piece) > n_left:
            raise Rejection(f"the cutout unpacks to more than {MAX_FITS_BYTES} bytes; no stamp does.", n_bytes=len(data))
        if not inflate.eof:
            raise Rejection(f"the cutout's gzip ends early after {len(data)} bytes.", n_bytes=len(data))
        pieces.append(piece)
        # An empty member is 20 bytes, and each that follows is copied: of very many, those that could hold an image are enough.
        n_left -= len(piece) + 1024
        rest = inflate.unused_data
        if n_left < 0:
            raise Rejection("the cutout's gzip has too many members; no stamp has.", n_bytes=len(data))
    return b"".join(pieces)


def _units(content: bytes) -> Iterator[Unit]:
    """Headers of the file in order. One that cannot be read ends them, unless it is the first."""
    position = 0
    for _ in range(MAX_UNITS):
        header, start = _fits_header(content, position)
        unit = Unit(header, start, _data_bytes(header))
        yield unit
        position = start + -(-unit.n_bytes // _BLOCK) * _BLOCK
        if not content.startswith(b"XTENSION=", position):
            return


def _fits_header(content: bytes, position: int) -> tuple[dict[str, str], int]:
    """Keywords and values of the header at ``position``, and where its data start."""
    header: dict[str, str] = {}
    for start in range(position, min(len(content), position + _MAX_HEADER_BYTES), _CARD):
        card = content[start : start + _CARD].decode("ascii", "replace")
        if card.rstrip() == "END":
            return header, ((start - position) // _BLOCK + 1) * _BLOCK + position
        if card[8:9] == "=":
            header.setdefault(card[:8].rstrip(), card[9:].split("/")[0].strip())
    raise Rejection("the cutout's FITS header has no END.", n_bytes=len(content))


def _data_bytes(header: dict[str, str]) -> int:
    axes = [_integer(header, f"NAXIS{k}") for k in range(1, _n_axes(header) + 1)]
    if any(not 0 <= n <= 10**9 for n in axes):
        raise Rejection(f"the cutout claims {' x '.join(map(str, axes))} pixels; 1 to {MAX_AXIS_PX} a side are read.")
    heap = _integer(header, "PCOUNT") if "PCOUNT" in header else 0
    if not 0 <= heap <= MAX_FITS_BYTES:
        raise Rejection("the cutout's FITS header has no usable PCOUNT.")
    return (math.prod(axes) + heap) * abs(_integer(header, "BITPIX")) // 8 if axes else 0


def _n_axes(header: dict[str, str]) -> int:
    n_axes = _integer(header, "NAXIS")
    if not 0 <= n_axes <= 999:
        raise Rejection("the cutout's FITS header has no usable NAXIS.")
    return n_axes


def _axes(header: dict[str, str]) -> list[int]:
    """Pixels along each axis, without axes of one pixel after the second."""
    axes = [_integer(header, f"NAXIS{k}") for k in range(1, _n_axes(header) + 1)]
    return axes[:2] if all(n == 1 for n in axes[2:]) else axes


def _checked(nx: int, ny: int) -> None:
    if not (0 < nx <= MAX_AXIS_PX and 0 < ny <= MAX_AXIS_PX):
        raise Rejection(f"the cutout claims {nx} x {ny} pixels; 1 to {MAX_AXIS_PX} a side are read.", nx=nx, ny=ny)


def image_of(content: bytes, unit: Unit) -> NDArray[np.float32]:
    """The pixels of one unit; values that are not finite are NaN. Raises Rejection if it holds no image of two axes."""
    if len(_axes(unit.header)) != 2:
        raise Rejection(f"the cutout's FITS file holds {unit}; an image of two axes is needed.")
    bitpix = _integer(unit.header, "BITPIX")
    if bitpix not in _PIXEL_TYPES:
        raise Rejection(f"the cutout has BITPIX {bitpix}; FITS knows {', '.join(map(str, _PIXEL_TYPES))}.", bitpix=bitpix)
    nx, ny = _axes(unit.header)
    _checked(nx, ny)
    kind = np.dtype(_PIXEL_TYPES[bitpix])
    raw = content[unit.start : unit.start + nx * ny * kind.itemsize]
    if len(raw) < nx * ny * kind.itemsize:
        raise Rejection(f"the cutout's FITS ends early: {nx} x {ny} pixels are claimed.", nx=nx, ny=ny, n_bytes=len(content))
    return _scaled(np.frombuffer(raw, dtype=kind).reshape(ny, nx), unit.header)


def _scaled(stored: NDArray[Any], header: dict[str, str]) -> NDArray[np.float32]:
    scale, zero = real(header, "BSCALE", 1.0), real(header, "BZERO", 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        image = (stored * scale + zero if (scale, zero) != (1.0, 0.0) else stored).astype(np.float32)
    if stored.dtype.kind != "f" and "BLANK" in header:
        image[stored == _integer(header, "BLANK")] = np.nan
    image[~np.isfinite(image)] = np.nan
    return image


def _decompressed(content: bytes, unit: Unit, index: int) -> NDArray[np.float32]:
    """An image that fpack has compressed, as astropy decompresses it."""
    from astropy.io import fits  # half a second, and hardly any packet needs it

    n_axes, nx, ny = (_integer(unit.header, name) for name in ("ZNAXIS", "ZNAXIS1", "ZNAXIS2"))
    if n_axes != 2:
        raise Rejection(f"the cutout is a compressed image of {n_axes} axes; one of two is needed.", n_axes=n_axes)
    _checked(nx, ny)
    if unit.n_bytes > MAX_COMPRESSED_BYTES or _integer(unit.header, "NAXIS2") > MAX_TILES:
        raise Rejection(
            f"the cutout is a compressed image of {unit.n_bytes} bytes in {unit.header['NAXIS2']} tiles; at most "
            f"{MAX_COMPRESSED_BYTES} in {MAX_TILES} are read.",
            n_bytes=unit.n_bytes,
        )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with fits.open(io.BytesIO(content), memmap=False) as units:
                image = np.array(units[index].data, dtype=np.float32)
    except Exception as error:
        kind = unit.header.get("ZCMPTYPE", "unknown").strip("' ")[:20]
        raise Rejection(
            f"the cutout is a compressed image ({kind}) that cannot be decompressed ({type(error).__name__})."
        ) from error
    if image.shape != (ny, nx):
        raise Rejection(f"the cutout is a compressed image that claims {nx} x {ny} pixels and has others.", nx=nx, ny=ny)
    image[~np.isfinite(image)] = np.nan
    return image


def _integer(header: dict[str, str], name: str) -> int:
    text = header.get(name, "")
    if not text.removeprefix("-").isdecimal() or len(text) > 20:
        raise Rejection(f"the cutout's FITS header has no usable {name}.")
    return int(text)


def real(header: dict[str, str], name: str, missing: float) -> float:
    """A number of a header, ``missing`` where there is none. Raises Rejection if it is no finite number."""
    if name not in header:
        return missing
    try:
        value = float(header[name])
    except ValueError as error:
        raise Rejection(f"the cutout's FITS header has no usable {name}.") from error
    if not math.isfinite(value):
        raise Rejection(f"the cutout's FITS header has no usable {name}.")
    return value
