"""Cutouts made into stamps: pixels, places and the sky."""

import gzip
import io
import math
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits as astropy_fits
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.stamps import sky_offset_arcsec
from needle_assets.landing.catalogues import read_hosts
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import read_packet
from needle_assets_tests.instruments import DEC_DEG, RA_DEG
from needle_assets_tests.packets import cutout, fits
from needle_assets_tests.ztf import host_position_px, place_cutout

# A parameter's bytes are part of its test's name: no time of day in them.
compressed = partial(gzip.compress, mtime=0)


@pytest.fixture(scope="module")
def packets(survey: Path) -> list[Packet]:
    """Every packet of the real survey."""
    return [read_packet(path.read_bytes()) for path in sorted((survey / "alerts").glob("*.avro"))]


def by_astropy(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(astropy_fits.getdata(io.BytesIO(gzip.decompress(data)))).astype(np.float32)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "i8", "f4", "f8"])
@pytest.mark.parametrize("cards", [(), ("BSCALE = 0.5", "BZERO = 100.0")])
def test_images_of_every_type_are_what_astropy_reads(kind, cards, rng):
    image = rng.integers(0, 200, (5, 7)).astype(kind)
    found = decode_cutout(cutout(image, *cards))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, by_astropy(cutout(image, *cards)))


def test_blank_and_infinite_pixels_are_nan():
    found = decode_cutout(cutout(np.array([[1, -1], [2, 3]], dtype="i2"), "BLANK = -1"))
    np.testing.assert_array_equal(found, [[1, np.nan], [2, 3]])
    assert np.isnan(decode_cutout(cutout(np.array([[np.inf, -np.inf, np.nan, 1e300]])))).all()


IMAGE = fits(np.ones((63, 63), dtype="f4"))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b"plain", "not a FITS"),
        (compressed(b""), "is empty"),
        (compressed(b"hello"), "not a FITS"),
        (compressed(IMAGE)[:-30], "ends early"),
        (compressed(IMAGE[:5000]), "ends early"),
        (compressed(IMAGE[:200]), "no END"),
        (compressed(IMAGE.replace(b"NAXIS1  =                   63", b"NAXIS1  =           1000000000")), "claims"),
        (compressed(IMAGE.replace(b"NAXIS1  =                   63", b"NAXIS1  =                  -63")), "claims"),
        (compressed(IMAGE.replace(b"NAXIS1  =                   63", b"NAXIS1  =                  6.3")), "NAXIS1"),
        (compressed(IMAGE.replace(b"BITPIX  =                  -32", b"BITPIX  =                  -31")), "BITPIX"),
        (compressed(bytes(64 * 2**20)), "unpacks to more"),
        (cutout(np.ones((2, 3, 4), dtype="f4")), "3 axes"),
        (cutout(np.ones(4, dtype="f4")), "1 axes"),
        (cutout(np.ones((2, 2), dtype="i2"), "BSCALE = nan"), "BSCALE"),
    ],
)
def test_what_is_no_gzipped_image_is_refused(data, match):
    with pytest.raises(Rejection, match=match):
        decode_cutout(data)


def test_a_complete_cutout_is_cropped_to_rows_and_columns_1_to_60():
    image = np.arange(63 * 63, dtype=np.float32).reshape(63, 63)
    placed = place_cutout(image, xpos=1000.25, ypos=2000.0)
    np.testing.assert_array_equal(placed.image, image[1:61, 1:61])
    assert (placed.target_x_px, placed.target_y_px) == (30.25, 30.0)


def test_without_a_position_a_complete_cutout_is_centred_and_an_incomplete_one_refused():
    placed = place_cutout(np.zeros((63, 63)))
    assert (placed.target_x_px, placed.target_y_px) == (30.0, 30.0)
    with pytest.raises(Rejection, match="no usable xpos"):
        place_cutout(np.zeros((63, 50)), ypos=100.0)
    with pytest.raises(Rejection, match="64 pixels"):
        place_cutout(np.zeros((64, 64)), xpos=1000.0, ypos=1000.0)


def cut(xpos: float, ypos: float) -> np.ndarray:
    """The cutout ZTF makes at a position of a quadrant whose pixel values are x + 10000 y, counted from 1."""
    quadrant = np.arange(1, 3073)[None, :] + 10_000.0 * np.arange(1, 3081)[:, None]
    x, y = math.floor(xpos + 0.5) - 1, math.floor(ypos + 0.5) - 1
    return quadrant[max(0, y - 31) : y + 32, max(0, x - 31) : x + 32]


@given(x=st.floats(1, 3072), y=st.floats(1, 3080))
@settings(max_examples=25)
def test_wherever_the_quadrant_ends_the_target_lies_where_it_is_said_to(x, y):
    image, column, row = vars(place_cutout(cut(x, y), xpos=x, ypos=y)).values()
    assert image[round(row), round(column)] == np.float32(math.floor(x + 0.5) + 10_000.0 * math.floor(y + 0.5))
    assert max(abs(row - 30), abs(column - 30)) <= 0.5
    missing_columns = np.isnan(image).all(axis=0)
    assert missing_columns.sum() == max(0, 30 - math.floor(x + 0.5) + 1) + max(0, math.floor(x + 0.5) + 29 - 3072)


def test_a_size_that_the_position_does_not_explain_is_refused():
    with pytest.raises(Rejection, match="cannot be told") as why:
        place_cutout(np.zeros((63, 50)), xpos=1000.0, ypos=1000.0)
    assert why.value.measured == {"n_px": 50, "position_px": 1000.0}


def test_north_is_towards_smaller_rows_and_east_towards_smaller_columns():
    centre = {"target_ra_deg": 100.0, "target_dec_deg": 60.0, "target_x_px": 30.25, "target_y_px": 29.75}
    x, y = host_position_px(**centre, host_ra_deg=100.0, host_dec_deg=60.0 + 10.1 / 3600)
    assert (x, y) == (pytest.approx(30.25), pytest.approx(19.75, abs=1e-4))
    x, y = host_position_px(**centre, host_ra_deg=100.0 + 10.1 / 3600, host_dec_deg=60.0)
    assert (x, y) == (pytest.approx(30.25 - 5.0, abs=1e-4), pytest.approx(29.75, abs=1e-3))


@given(ra=RA_DEG, dec=DEC_DEG.filter(lambda dec: abs(dec) < 89.9), turn=st.floats(0, 360), far=st.floats(0.1, 200))
@settings(max_examples=50)
def test_offsets_are_those_of_astropy_also_near_poles_and_at_ra_zero(ra, dec, turn, far):
    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by(turn * units.deg, far * units.arcsec)
    east, north = sky_offset_arcsec(ra, dec, there.ra.deg, there.dec.deg)
    assert east == pytest.approx(far * math.sin(math.radians(turn)), abs=1e-3)
    assert north == pytest.approx(far * math.cos(math.radians(turn)), abs=1e-3)


def test_an_unknown_or_opposite_position_has_no_offset():
    assert all(math.isnan(value) for value in sky_offset_arcsec(10.0, 10.0, math.nan, 10.0))
    assert all(math.isnan(value) for value in sky_offset_arcsec(10.0, 10.0, 190.0, -10.0))


def centroid(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """Centre of the light near (x, y), by a Gaussian window that moves to where the light is."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    light = np.nan_to_num(image - np.nanmedian(image))
    for _ in range(10):
        weight = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2.88) * light
        x += 2 * float((weight * (columns - x)).sum() / weight.sum())
        y += 2 * float((weight * (rows - y)).sum() / weight.sum())
    return x, y


def test_real_cutouts_are_what_astropy_reads(packets):
    cutouts = [data for p in packets for data in (p.science, p.reference, p.difference) if data]
    assert len(cutouts) == 1439
    assert all(np.array_equal(decode_cutout(data), by_astropy(data), equal_nan=True) for data in cutouts[::5])


def test_real_transients_lie_where_the_packet_says_to_a_twentieth_of_a_pixel(packets):
    offsets = []
    for p in packets:
        position = {"xpos": p.candidate["xpos"], "ypos": p.candidate["ypos"]}
        if p.difference and p.candidate["sigmapsf"] < 0.08 and p.candidate["rb"] > 0.5:
            placed = place_cutout(decode_cutout(p.difference), **position)
            x, y = centroid(placed.image, placed.target_x_px, placed.target_y_px)
            offsets.append((x - placed.target_x_px, y - placed.target_y_px))
    assert len(offsets) > 40
    assert np.abs(np.median(offsets, axis=0)).max() < 0.02
    assert np.percentile(np.abs(offsets), 90) < 0.05


def test_every_real_cutout_is_placed_and_the_incomplete_ones_have_their_light_at_the_target(packets):
    n_incomplete = 0
    for p in packets:
        image = decode_cutout(p.science)
        placed = place_cutout(image, xpos=p.candidate["xpos"], ypos=p.candidate["ypos"])
        n_incomplete += image.shape != (63, 63)
        assert placed.image.shape == (60, 60)
        assert np.isfinite(placed.image).sum() >= 0.9 * np.isfinite(image).sum() - 400
    assert n_incomplete == 17


def in_stamp(packet: Packet, ra_deg: float, dec_deg: float, x: float, y: float) -> tuple[float, float]:
    """Where a sky position falls if the packet's target lies at (x, y)."""
    target = {"target_ra_deg": packet.candidate["ra"], "target_dec_deg": packet.candidate["dec"]}
    return host_position_px(**target, host_ra_deg=ra_deg, host_dec_deg=dec_deg, target_x_px=x, target_y_px=y)


def test_real_detections_of_one_exposure_lie_as_the_sky_does(packets):
    residuals, distances = [], []
    for k, first in enumerate(packets):
        for second in packets[k + 1 :]:
            one, other = first.candidate, second.candidate
            if (one["jd"], one["rcid"]) == (other["jd"], other["rcid"]) and abs(one["xpos"] - other["xpos"]) > 30:
                x, y = in_stamp(first, other["ra"], other["dec"], one["xpos"], one["ypos"])
                residuals.append(math.hypot(x - other["xpos"], y - other["ypos"]))
                distances.append(math.hypot(one["xpos"] - other["xpos"], one["ypos"] - other["ypos"]))
    assert len(residuals) > 100
    assert np.median(np.divide(residuals, distances)) < 0.01


def test_real_hosts_lie_where_their_sky_position_says_and_not_mirrored(packets, survey):
    hosts = {row["object_id"]: row for row in read_hosts(survey / "hosts.csv")[0].to_dicts()}
    is_brightest, residuals = {}, {}
    for p in packets:
        host, c = hosts.get(p.object_id), p.candidate
        if host is None or not 2.5 < (host["separation_arcsec"] or 0) < 25:
            continue
        placed = place_cutout(decode_cutout(p.reference), xpos=c["xpos"], ypos=c["ypos"])
        dx, dy = in_stamp(p, host["host_ra_deg"], host["host_dec_deg"], 0.0, 0.0)
        spots = [(placed.target_x_px + i * dx, placed.target_y_px + j * dy) for i, j in ((1, 1), (-1, 1), (1, -1), (-1, -1))]
        light = [np.nanmedian(placed.image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]) for x, y in spots]
        is_brightest[p.object_id] = np.argmax(light) == 0
        residuals[p.object_id] = np.subtract(centroid(placed.image, *spots[0]), spots[0])
    assert len(residuals) >= 6
    assert np.mean(list(is_brightest.values())) > 0.8
    assert np.median(np.abs(list(residuals.values()))) < 0.5
