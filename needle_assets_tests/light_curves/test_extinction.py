import numpy as np
import pytest

from needle_assets.light_curves.extinction import extinction_per_a_v
from needle_assets.surveys.panstarrs import EXTINCTION_WAVELENGTH_ANGSTROM
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.ztf import deredden


@pytest.mark.parametrize(
    ("wavelength_angstrom", "per_a_v"),
    [
        (ZTF.extinction_wavelength_angstrom, {"g": 1.1763, "r": 0.7781, "i": 0.5672}),
        (EXTINCTION_WAVELENGTH_ANGSTROM, {"g": 1.1535, "r": 0.8195, "i": 0.6074, "z": 0.4808, "y": 0.4014}),
    ],
)
def test_extinction_per_a_v_is_that_of_fitzpatrick_1999(wavelength_angstrom, per_a_v):
    found = {band: extinction_per_a_v(wave) for band, wave in wavelength_angstrom.items()}
    assert found == pytest.approx(per_a_v, abs=1e-4)


def test_only_uncorrected_magnitudes_become_brighter():
    mag, is_corrected = deredden([19.0, 19.0, 19.0], ["g", "r", "g"], 0.5, [False, False, True])
    np.testing.assert_allclose(mag, [19 - 0.5 * 1.1763, 19 - 0.5 * 0.7781, 19.0], atol=1e-4)
    assert is_corrected.all()


@pytest.mark.parametrize("a_v_mag", [None, float("nan")])
def test_a_missing_a_v_is_a_flag_and_not_a_zero(a_v_mag):
    mag, is_corrected = deredden([19.0, 18.0], ["g", "r"], a_v_mag, [False, True])
    assert mag.tolist() == [19.0, 18.0]
    assert is_corrected.tolist() == [False, True]


def test_no_detections_are_no_detections():
    mag, is_corrected = deredden([], [], 0.3, [])
    assert len(mag) == len(is_corrected) == 0
