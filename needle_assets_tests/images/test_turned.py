"""Cutouts that lay as the camera did, turned: where the sky is afterwards, what became of noise and of what is missing."""

import io
import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from needle_assets.errors import Rejection
from needle_assets.images.turned import decode_sky_cutout, faults, noise_ratio, turned, turned_side_px
from needle_assets.landing.packets import read_packets
from needle_assets_tests.packets import fits as plain_fits

SCALE = 0.2
RA, DEC = 57.75, -48.18


def matrix(angle_deg: float) -> np.ndarray:
    """A camera whose y axis points ``angle_deg`` from north through east, mirrored as the sky is [deg]."""
    angle = math.radians(angle_deg)
    return SCALE / 3600 * np.array([[-math.cos(angle), math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def header(angle_deg: float, target: tuple[float, float]) -> dict:
    names = ("PC1_1", "PC1_2", "PC2_1", "PC2_2")
    place = {"CRPIX1": target[0] + 1, "CRPIX2": target[1] + 1, "CRVAL1": RA, "CRVAL2": DEC}
    return dict(zip(names, matrix(angle_deg).ravel(), strict=True)) | place


def cutout(image: np.ndarray, variance: np.ndarray | None, angle_deg: float, target=(14.5, 14.5)) -> bytes:
    units = fits.HDUList([fits.PrimaryHDU(image.astype(np.float32))])
    units[0].header.update(header(angle_deg, target))
    if variance is not None:
        units.append(fits.ImageHDU(variance.astype(np.float32), name="UNCERT"))
    out = io.BytesIO()
    units.writeto(out)
    return out.getvalue()


def star(x_px: float, y_px: float, n_px: int = 30, sigma_px: float = 1.6) -> np.ndarray:
    rows, columns = np.mgrid[:n_px, :n_px]
    return 1000.0 * np.exp(-0.5 * ((columns - x_px) ** 2 + (rows - y_px) ** 2) / sigma_px**2)


def centroid(image: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: len(image), : len(image)]
    light = np.nan_to_num(image)
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


@pytest.mark.parametrize("angle_deg", [0.0, 50.9, 90.0, 173.7, -34.8])
def test_a_star_lies_where_the_sky_has_it(angle_deg):
    east, north = 1.2, 0.8
    wcs = WCS(header(angle_deg, (14.3, 14.8)) | {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    sky = RA + east / 3600 / math.cos(math.radians(DEC)), DEC + north / 3600
    x_px, y_px = wcs.all_world2pix(*sky, 0)
    image, _ = turned(decode_sky_cutout(cutout(star(x_px, y_px), None, angle_deg, (14.3, 14.8))))
    middle = len(image) // 2
    assert centroid(image) == pytest.approx((middle - east / SCALE, middle - north / SCALE), abs=0.05)


@pytest.mark.parametrize("angle_deg", [0.0, 33.0, 45.0])
def test_turning_keeps_the_flux_and_says_the_noise(angle_deg, rng):
    flux, noise = star(14.5, 14.5), rng.normal(0.0, 3.0, (30, 30))
    image, variance = turned(decode_sky_cutout(cutout(flux + noise, np.full((30, 30), 9.0), angle_deg)))
    bare, _ = turned(decode_sky_cutout(cutout(flux, None, angle_deg)))
    assert np.nansum(bare) == pytest.approx(flux.sum(), rel=0.02)
    assert noise_ratio(image - bare, variance) == pytest.approx(1.0, abs=0.12)
    assert np.nanmax(variance) <= 9.0


def test_how_a_cutout_lay_is_told():
    found = decode_sky_cutout(cutout(np.ones((30, 30)), None, 50.9, (14.0, 13.0)))
    assert found.rotation_deg == pytest.approx(50.9)
    assert found.pixel_scale_arcsec == pytest.approx(SCALE)
    assert found.reach_arcsec == pytest.approx(13.5 * SCALE)


@pytest.mark.parametrize(("shape", "side"), [((30, 30), 45), ((41, 41), 59), ((46, 46), 67), ((30, 20), 45)])
def test_a_turned_cutout_has_room_whichever_way_it_lay(shape, side):
    assert turned_side_px(shape) == side >= math.hypot(*shape)


def test_what_is_missing_stays_missing_and_nothing_else_does():
    image, variance = np.ones((30, 30)), np.ones((30, 30))
    variance[:, 20:] = np.inf
    image[5, 5] = np.nan
    found, noise = turned(decode_sky_cutout(cutout(image, variance, 0.0, (15.0, 15.0))))
    assert np.isfinite(found).sum() == 30 * 20 - 1
    assert np.isnan(found[np.isnan(noise)]).all()


@pytest.mark.parametrize("lost", ["PC1_1", "CRPIX2"])
def test_a_cutout_without_a_place_is_refused(lost):
    with fits.open(io.BytesIO(cutout(np.ones((30, 30)), None, 0.0))) as units:
        del units[0].header[lost]
        out = io.BytesIO()
        units.writeto(out)
    with pytest.raises(Rejection, match="no usable WCS"):
        decode_sky_cutout(out.getvalue())
    with pytest.raises(Rejection, match="no usable WCS"):
        decode_sky_cutout(plain_fits(np.ones((30, 30), dtype=np.float32)))


def test_a_good_stamp_has_no_fault_and_a_bad_one_says_which(rng):
    sky, variance = rng.normal(0.0, 1.0, (3, 45, 45)).astype(np.float32), np.ones((45, 45), dtype=np.float32)
    assert faults(*sky, variance, 45 * 45) == {}
    edge = sky.copy()
    edge[0, :, 20:] = np.nan
    assert set(faults(*edge, variance, 45 * 45)) == {"science incomplete", "science missing at the target"}
    assert set(faults(sky[0], sky[1], 4 * sky[2], variance, 45 * 45)) == {"noise disagrees with the variance"}
    assert set(faults(np.zeros_like(sky[0]), *sky[1:], variance, 45 * 45)) == {"science constant"}


def test_real_cutouts_open_and_their_variance_can_be_believed(rubin):
    ratios = []
    for path in sorted((rubin / "alerts").glob("1*.avro")):
        (packet,) = read_packets(path.read_bytes())
        if not isinstance(packet, Rejection):
            science, reference, difference = (
                decode_sky_cutout(data) for data in (packet.science, packet.reference, packet.difference)
            )
            assert (science.image.shape, reference.image.shape) == ((30, 30), (30, 30))
            assert np.isfinite(science.variance).all()
            ratios.append(noise_ratio(*turned(difference)))
    assert len(ratios) == 20
    assert 0.9 < min(ratios) < max(ratios) < 1.2
