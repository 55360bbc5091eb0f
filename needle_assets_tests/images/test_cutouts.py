"""A cutout saved anew, by a broker or a person, is the same image or says what it is."""

import gzip
import io
from functools import partial

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets_tests.packets import cutout, fits
from needle_assets_tests.ztf import place_cutout

# A parameter's bytes are part of its test's name: no time of day in them.
compressed = partial(gzip.compress, mtime=0)

IMAGE = np.random.default_rng(5).normal(100.0, 5.0, (63, 63)).astype(np.float32)
PLAIN = fits(IMAGE)


def saved(*units: object) -> bytes:
    """Units as astropy saves them."""
    out = io.BytesIO()
    astropy_fits.HDUList(list(units)).writeto(out)
    return out.getvalue()


def primary(*data: np.ndarray) -> object:
    return astropy_fits.PrimaryHDU(*data)


TABLE = astropy_fits.BinTableHDU(np.zeros(3, dtype=[("a", "i4")]))


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        cutout(IMAGE),
        compressed(PLAIN[:5000]) + compressed(PLAIN[5000:]),
        b"".join(compressed(PLAIN[k : k + 1000]) for k in range(0, len(PLAIN), 1000)),
        compressed(cutout(IMAGE)),
        cutout(IMAGE) + bytes(100),
        cutout(IMAGE[None]),
        compressed(saved(primary(), astropy_fits.ImageHDU(IMAGE))),
        saved(primary(), TABLE, astropy_fits.ImageHDU(IMAGE), astropy_fits.ImageHDU(-IMAGE)),
        saved(primary(np.zeros((2, 3, 4))), astropy_fits.ImageHDU(IMAGE)),
        saved(primary(IMAGE.astype(np.float64))),
    ],
    ids=["plain", "gzip", "two members", "many members", "gzip twice", "trailing zeros", "third axis of one", "extension",
         "after a table", "after a cube", "float64"],
)  # fmt: skip
def test_an_image_is_read_however_it_was_packed(data):
    np.testing.assert_array_equal(decode_cutout(data), IMAGE)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float64])
def test_pixels_of_any_type_are_read(kind):
    whole = IMAGE.round().astype(kind)
    np.testing.assert_array_equal(decode_cutout(compressed(saved(primary(whole)))), whole.astype(np.float32))


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_images_compressed_by_tiles_are_what_astropy_reads(compression):
    holed = IMAGE.copy()
    holed[3, 4] = np.nan
    data = saved(
        primary(), astropy_fits.CompImageHDU(holed if compression != "HCOMPRESS_1" else IMAGE, compression_type=compression)
    )
    with astropy_fits.open(io.BytesIO(data)) as units:
        expected = np.asarray(units[1].data, dtype=np.float32)
    np.testing.assert_array_equal(decode_cutout(compressed(data)), expected)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (compressed(b"\x89PNG\r\n"), "a PNG picture"),
        (b"\0\1\2\3", "begins with the bytes 00 01 02 03"),
        (saved(primary()), "holds an image of 0 axes"),
        (saved(primary(), TABLE), "an image of 0 axes, a BINTABLE"),
        (saved(primary(np.zeros((2, 63, 63)))), "an image of 3 axes"),
        (saved(primary(), astropy_fits.ImageHDU(IMAGE))[:9000], "ends early"),
        (compressed(PLAIN)[:-20] + compressed(PLAIN), "gzip"),
        (compressed(b"") * 10_000, "too many members"),
        (saved(primary(), astropy_fits.CompImageHDU(np.zeros((63, 63), "i2")))[:-3000], "cannot be decompressed"),
        (saved(primary(), astropy_fits.CompImageHDU(np.random.default_rng(1).random((500, 500)))), "tiles"),
    ],
)
def test_what_cannot_be_read_says_what_it_is(data, match):
    with pytest.raises(Rejection, match=match):
        decode_cutout(data)


@pytest.mark.parametrize("shape", [(64, 64), (63, 64), (101, 101), (0, 63)])
def test_a_cutout_of_another_size_names_its_shape(shape):
    with pytest.raises(Rejection, match=f"{shape[1]} x {shape[0]} pixels"):
        place_cutout(np.zeros(shape), xpos=1000.0, ypos=1000.0)
