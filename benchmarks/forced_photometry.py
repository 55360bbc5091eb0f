"""Fits with and without forced photometry against the truth of simulated objects: ``python benchmarks/forced_photometry.py``.

Forced fluxes are the true ones of every exposure with the noise of its depth. Compared are the distance of usable fits from the
noiseless light curve where there are detections, how often the 68 % intervals hold it there and in the 20 days before the first
detection, and how far the time at which the curve reaches a tenth of its peak lies from the true one.
"""

import argparse
from dataclasses import replace

import numpy as np
import polars as pl

from benchmarks.light_curves import _extinction, simulated
from needle_assets.assets.light_curves import light_curves
from needle_assets.assets.objects import of_survey
from needle_assets.errors import Rejection
from needle_assets.light_curves.batched_fits import fit_many
from needle_assets.light_curves.extinction import extinction_factors
from needle_assets.light_curves.forced import Fluxes, nightly
from needle_assets.light_curves.gaussian_process import GaussianProcessFit, flux_points, predict
from needle_assets.light_curves.light_curve import LightCurve, flux_from_mag
from needle_assets.settings import Settings
from needle_assets.simulation.objects import SimulatedObject
from needle_assets.surveys.ztf import ZTF

SIGMA_OF_LIMIT = 5.0
BEFORE_DAYS = 20.0


def true_flux(found: SimulatedObject, mjd: np.ndarray, band: str) -> np.ndarray:
    """Noiseless flux, free of extinction, at some times in one band [microjansky]."""
    mag = found.transient.mag(mjd - found.peak_mjd, band) - _extinction(found, band)
    return flux_from_mag(np.minimum(np.nan_to_num(mag, nan=40.0, posinf=40.0), 40.0), 0.0)[0]


def forced_of(found: SimulatedObject, rng: np.random.Generator) -> Fluxes:
    """A forced flux of every exposure in g and r, as observed, freed of extinction."""
    at = np.isin(found.exposures.band, ZTF.fit_bands)
    mjd, band = found.exposures.mjd[at], found.exposures.band[at]
    factor, _ = extinction_factors(band, found.transient.a_v_mag, ZTF.extinction_wavelength_angstrom)
    err = factor * flux_from_mag(found.exposures.limit_mag[at], 0.0)[0] / SIGMA_OF_LIMIT
    true = np.array([true_flux(found, np.array([t]), b)[0] for t, b in zip(mjd, band, strict=True)])
    return Fluxes.of(mjd, band, true + rng.normal(0.0, err), err)


def measured(found: SimulatedObject, fit: GaussianProcessFit, start: float, detected: LightCurve) -> dict[str, list[float]]:
    """Distances and pulls of one fit."""
    told: dict[str, list[float]] = {"miss_mag": [], "pull": [], "pull_before": [], "rise_days": []}
    for band in fit.points.background:
        own = detected.in_band(band).mjd
        if not len(own):
            continue
        for name, days in (("pull", own), ("pull_before", own.min() - np.arange(1.0, BEFORE_DAYS))):
            flux, err = predict(fit, days, band)
            true = true_flux(found, days + start, band)
            told[name] += ((flux - true) / err).tolist()
            if name == "pull":
                told["miss_mag"] += np.abs(2.5 * np.log10(np.maximum(flux, 1e-3) / np.maximum(true, 1e-3))).tolist()
        grid = np.arange(own.min() - 40.0, detected.mjd[np.argmin(detected.mag)], 0.5)
        if len(grid) > 1:
            curves = (predict(fit, grid, band)[0], true_flux(found, grid + start, band))
            first = [grid[np.argmax(curve > 0.1 * curve.max())] for curve in curves]
            told["rise_days"].append(abs(first[0] - first[1]))
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulated", type=int, default=200)
    settings, rng = Settings(), np.random.default_rng(11)
    kept, points = [], {"detections": [], "forced": []}
    for found, frame in simulated(parser.parse_args().simulated):
        catalogue = pl.DataFrame({"a_v_mag": [found.transient.a_v_mag]})
        rows = light_curves(of_survey({"core.detections": frame, "raw.objects": catalogue}, ZTF), settings).rows
        detected = LightCurve.of(*([row[c] for row in rows] for c in ("days_since_first", "band", "mag", "mag_err")))
        process = settings.gaussian_process
        try:
            alone = flux_points(detected, process, ZTF.fit_wavelength_angstrom)
        except Rejection:
            continue
        start = float(rows[0]["mjd"])
        night = nightly(forced_of(found, rng), settings.light_curves.merge_window_days)
        forced = Fluxes.of(night.mjd - start, night.band, night.flux, night.flux_err)
        points["detections"].append(alone)
        points["forced"].append(flux_points(detected, replace(process, points="forced"), ZTF.fit_wavelength_angstrom, forced))
        kept.append((found, start, detected))
    for name, given in points.items():
        fits = fit_many(given, wavelength_scale_angstrom=6000.0, is_error_scale_fitted=True)
        told = [measured(found, fit, start, seen) for (found, start, seen), fit in zip(kept, fits, strict=True)]
        values = {key: np.concatenate([one[key] for one in told]) for key in told[0]}
        held = {key: f"{np.mean(np.abs(values[key]) < 1.0):.0%}" for key in ("pull", "pull_before")}
        print(
            f"{name:10s} {len(fits)} fits: |fit - truth| median {np.median(values['miss_mag']):.3f} mag; 68 % intervals hold it in "
            f"{held['pull']} at detections, {held['pull_before']} in the {BEFORE_DAYS:g} d before; a tenth of the peak is reached "
            f"{np.median(values['rise_days']):.1f} d off (median), {np.quantile(values['rise_days'], 0.9):.1f} d (90 %)"
        )


if __name__ == "__main__":
    main()
