"""Images of fields on the pixels of stamps: where things lie, what they hold, and what is refused."""

import io

import numpy as np
import pytest
from astropy.io import fits

from needle_assets.errors import Rejection
from needle_assets.images.field_images import field_image
from needle_assets.surveys.ztf import ZTF

RA, DEC = 62.5, -47.75
EAST_ARCSEC, NORTH_ARCSEC = 5.0, 3.0
WIDTH_ARCSEC = 0.6


def cutout(image=None, *, rotation_deg=0.0, parity=-1.0, size=280, scale=0.25, old_words=False, ra=RA, **more):
    """A FITS file around a place, with a source of flux 100 east and north of it; turned by an angle from north through east."""
    turn = np.radians(rotation_deg)
    to_sky = scale * np.array([[parity * np.cos(turn), np.sin(turn)], [-parity * np.sin(turn), np.cos(turn)]])
    middle = (size + 1) / 2
    x, y = np.meshgrid(np.arange(size) + 1 - middle, np.arange(size) + 1 - middle)
    east, north = np.einsum("ij,jkl->ikl", to_sky, np.stack([x, y]))
    away = (east - EAST_ARCSEC) ** 2 + (north - NORTH_ARCSEC) ** 2
    source = np.exp(-0.5 * away / WIDTH_ARCSEC**2)
    unit = fits.PrimaryHDU((100.0 * source / source.sum() if image is None else image).astype(np.float32))
    names = [f"PC00{i}00{j}" if old_words else f"PC{i}_{j}" for i in (1, 2) for j in (1, 2)]
    unit.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=ra, CRVAL2=DEC, CRPIX1=middle, CRPIX2=middle)
    unit.header.update(CDELT1=1 / 3600, CDELT2=1 / 3600, **dict(zip(names, to_sky.ravel(), strict=True)), **more)
    out = io.BytesIO()
    unit.writeto(out)
    return out.getvalue()


def centre(image):
    weight = np.nan_to_num(image)
    rows, columns = np.mgrid[:60, :60]
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize(
    "how", [{}, {"rotation_deg": 40.0}, {"rotation_deg": -170.0, "parity": 1.0}, {"old_words": True}, {"scale": 0.4}]
)
def test_a_source_keeps_its_flux_and_lies_where_a_stamp_has_it_however_the_image_lay(how):
    found = field_image(cutout(**how), RA, DEC, ZTF)
    assert np.nansum(found.image) == pytest.approx(100.0, rel=1e-3)
    expected = 29.5 - np.array([EAST_ARCSEC, NORTH_ARCSEC]) / 1.01
    np.testing.assert_allclose(centre(found.image), expected, atol=0.04)
    assert found.rotation_deg == pytest.approx(how.get("rotation_deg", 0.0), abs=0.01)


def test_an_object_beside_right_ascension_0_lies_in_the_middle_all_the_same():
    found = field_image(cutout(ra=0.0005), 359.9995, DEC, ZTF)
    moved = 0.001 * 3600 * np.cos(np.radians(DEC))
    assert centre(found.image)[0] == pytest.approx(29.5 - (EAST_ARCSEC + moved) / 1.01, abs=0.02)


def test_missing_pixels_are_missing_and_a_smooth_sky_stays_level():
    sky = np.full((280, 280), 2.0)
    sky[0, 0], sky[130:150, 130:150] = 2.5, np.nan
    found = field_image(cutout(sky), RA, DEC, ZTF)
    assert np.isnan(found.image[30, 30])
    np.testing.assert_allclose(np.nanmedian(found.image), 2.0 * (1.01 / 0.25) ** 2, rtol=0.02)


def test_a_stack_of_pan_starrs_as_it_is_stored_becomes_linear():
    linear = np.linspace(0.0, 50.0, 280 * 280).reshape(280, 280)
    stored = 2.5 / np.log(10.0) * np.arcsinh((linear - 1.0) / (2 * 3.0))
    plain, made = (field_image(data, RA, DEC, ZTF).image for data in (cutout(linear), cutout(stored, BSOFTEN=3.0, BOFFSET=1.0)))
    np.testing.assert_allclose(made, plain, rtol=1e-4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>", "not a FITS file"),
        (cutout(np.full((280, 280), np.nan)), "every pixel is missing"),
        (cutout(np.zeros((280, 280))), "every pixel is the same"),
        (cutout(size=120), "covers 2[0-9]% of the 61 arcsec"),
        (cutout(ra=RA + 0.1), "is not in the image"),
        (cutout(ra=RA + 180.0), "no usable WCS|is not in the image"),
        (cutout(CTYPE1="LINEAR"), "no usable WCS"),
    ],
)
def test_an_image_of_no_use_is_refused_with_the_reason(data, reason):
    with pytest.raises(Rejection, match=reason):
        field_image(data, RA, DEC, ZTF)
