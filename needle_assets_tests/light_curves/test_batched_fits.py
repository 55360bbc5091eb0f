from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from needle_assets.light_curves.batched_fits import MAX_ELEMENTS, _batches, fit_many
from needle_assets.light_curves.gaussian_process import fit_points, rescaled
from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.settings import GaussianProcessSettings, preset_settings
from needle_assets_tests.ztf import flux_points

from .bazin import bazin_light_curve

DEFAULT = GaussianProcessSettings()
AUTHORS = preset_settings("needle2").gaussian_process


@pytest.fixture
def objects(rng):
    return [flux_points(bazin_light_curve(rng, n=int(n)), DEFAULT) for n in rng.integers(2, 60, 60)]


def test_the_batch_is_as_likely_as_george_one_by_one(objects):
    batched = fit_many(objects, wavelength_scale_angstrom=6000.0)
    single = [fit_points(points, 6000.0) for points in objects]
    gains = np.array([b.log_likelihood - s.log_likelihood for b, s in zip(batched, single, strict=True)])
    assert gains.min() > -1e-3
    assert np.mean(np.abs(gains) < 0.01) > 0.9
    assert all(b.is_converged for b in batched)


def test_where_the_likelihood_agrees_so_do_the_scales(objects):
    for points, batched in zip(objects, fit_many(objects, wavelength_scale_angstrom=6000.0), strict=True):
        single = fit_points(points, 6000.0)
        if len(points.days) > 20:
            assert batched.amplitude == pytest.approx(single.amplitude, rel=0.02)
            assert batched.length_scale_days == pytest.approx(single.length_scale_days, rel=0.02)


def test_company_does_not_change_a_fit(objects):
    together = fit_many(objects, wavelength_scale_angstrom=6000.0)
    for k in (0, 17, 59):
        alone = fit_many([objects[k]], wavelength_scale_angstrom=6000.0)[0]
        assert alone.log_likelihood == pytest.approx(together[k].log_likelihood, abs=1e-6)
        assert alone.length_scale_days == pytest.approx(together[k].length_scale_days, rel=1e-3)


def test_the_same_batch_gives_the_same_bits(objects):
    first, second = (fit_many(objects, wavelength_scale_angstrom=6000.0) for _ in range(2))
    assert [f.amplitude for f in first] == [f.amplitude for f in second]


def test_rescaled_errors_are_fitted_with_a_second_batch(objects):
    once = fit_many(objects, wavelength_scale_angstrom=6000.0)[3]
    twice = fit_many(objects, wavelength_scale_angstrom=6000.0, is_error_scale_fitted=True)[3]
    assert twice.points.error_scale == pytest.approx(rescaled(once).error_scale, rel=1e-6)


def test_nothing_to_fit_is_nothing_fitted():
    assert fit_many([], wavelength_scale_angstrom=6000.0) == []


def test_identical_times_and_equal_fluxes_are_fitted():
    same = flux_points(LightCurve.of([5.0, 5.0, 5.0], ["g", "r", "g"], 18.0, 0.1), DEFAULT)
    found = fit_many([same, replace(same, flux=-same.flux)], wavelength_scale_angstrom=6000.0)
    assert np.isfinite([f.log_likelihood for f in found]).all()


def test_real_light_curves_are_as_likely_as_with_george(survey):
    frame = pl.read_parquet(survey / "photometry.parquet").filter(pl.col("band") != "i").unique(["ztf_id", "band", "mjd"])
    names = frame["ztf_id"].unique().sort().gather_every(20)
    settings = replace(AUTHORS, max_days_since_first=1e4)
    objects = []
    for _, rows in (
        frame.filter(pl.col("ztf_id").is_in(names.implode())).sort("ztf_id", "mjd").group_by("ztf_id", maintain_order=True)
    ):
        light_curve = LightCurve.of(*(rows[column].to_numpy() for column in ("mjd", "band", "mag", "mag_err")))
        objects += [flux_points(light_curve, settings)] if 2 < len(light_curve) < 200 else []
    batched = fit_many(objects, wavelength_scale_angstrom=6000.0)
    gains = np.array([b.log_likelihood - fit_points(p, 6000.0).log_likelihood for b, p in zip(batched, objects, strict=True)])
    assert np.mean(np.abs(gains) < 0.01) >= 0.99


def test_batches_are_of_similar_length_and_no_larger_than_memory_allows():
    lengths = [40, 200, 40, 10, 181, 40]
    batches = list(_batches(lengths))
    assert sorted(k for batch in batches for k in batch) == list(range(6))
    assert [[lengths[k] for k in batch] for batch in batches] == [[10, 40, 40, 40], [181], [200]]
    assert all(len(batch) == 1 or len(batch) * max(lengths[k] for k in batch) ** 2 <= MAX_ELEMENTS for batch in batches)
    assert list(_batches([])) == []
