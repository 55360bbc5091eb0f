"""Light curves: fits a second against the plain procedure, time of the whole chain, distance from the truth.

    python benchmarks/light_curves.py [LANDING_FOLDER] [--single 200] [--simulated 300]

Without a landing folder with photometry.parquet and bts.csv (or NEEDLE_TEST_SURVEY that names one) the simulated survey's light
curves are measured. Everything is measured in one process with one thread, in one run; only ratios are to be compared.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import george
import numpy as np
import polars as pl
from astropy.stats import biweight_location
from george import kernels
from scipy.optimize import minimize

from needle_assets.assets.light_curves import epochs, features, gp_fits, light_curves
from needle_assets.assets.objects import of_survey
from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import read_catalogue, read_photometry
from needle_assets.light_curves.batched_fits import fit_many
from needle_assets.light_curves.extinction import extinction_per_a_v
from needle_assets.light_curves.gaussian_process import (
    GaussianProcessFit,
    fit_points,
    flux_points,
    predict,
)
from needle_assets.light_curves.light_curve import LightCurve, flux_from_mag, mag_from_flux, peak_mjd
from needle_assets.light_curves.usability import daily_curve, judge
from needle_assets.settings import Settings, preset_settings
from needle_assets.simulation.objects import DEMO_MIX, SimulatedObject, draw_object
from needle_assets.surveys.ztf import ZTF

HOSTS = {"is_hosted": pl.Boolean, **{f"{b}_mag": pl.Float64 for b in "grizy"}, "separation_arcsec": pl.Float64}


def plain_procedure(light_curve: LightCurve) -> float:
    """Log likelihood found by george and scipy as Boone (2019) describes it: value and gradient as two functions."""
    flux, flux_err = flux_from_mag(light_curve.mag, light_curve.mag_err)
    for band in np.unique(light_curve.band):
        flux[light_curve.band == band] -= biweight_location(flux[light_curve.band == band])
    wavelength = np.array([ZTF.fit_wavelength_angstrom[band] for band in light_curve.band])
    scale = np.abs(flux[np.argmax(np.abs(flux) / np.hypot(flux_err, 0.01 * flux.max()))]) or 1.0
    kernel = (0.5 * scale) ** 2 * kernels.Matern32Kernel([20.0**2, 6000.0**2], ndim=2)
    kernel.freeze_parameter("k2:metric:log_M_1_1")
    process = george.GP(kernel)
    start = process.get_parameter_vector()
    process.compute(np.column_stack([light_curve.mjd, wavelength]), flux_err)

    def loss(vector: np.ndarray) -> float:
        process.set_parameter_vector(vector)
        return -process.log_likelihood(flux, quiet=True)

    def gradient(vector: np.ndarray) -> np.ndarray:
        process.set_parameter_vector(vector)
        return -process.grad_log_likelihood(flux, quiet=True)

    bounds = [(start[0] - 10, start[0] + 10), (0.0, 2 * np.log(1000.0))]
    return -float(minimize(loss, start, jac=gradient, bounds=bounds).fun)


def simulated(n: int) -> list[tuple[SimulatedObject, pl.DataFrame]]:
    """Objects of the simulated survey with their detections, as core.detections would hold them."""
    drawn = (draw_object(7, index, DEMO_MIX) for index in range(n))
    return [(found, ztf_detections(found)) for found in drawn]


def ztf_detections(found: SimulatedObject) -> pl.DataFrame:
    """What ZTF detects of a simulated object, as rows of core.detections."""
    at, seen = found.detections(np.inf), found.photometry
    columns = {"mjd": found.exposures.mjd[at], "band": found.exposures.band[at], "mag": seen.mag[at], "mag_err": seen.mag_err[at]}
    flags = {"is_positive": pl.lit(value=True), "is_mw_corrected": pl.lit(value=False), "object_id": pl.lit(found.object_id)}
    return pl.DataFrame(columns).with_columns(**flags)


def landed(folder: Path) -> tuple[list[pl.DataFrame], dict[str, float | None]]:
    """Detections of each object of a landing folder, and A_V."""
    frame, _ = read_photometry(folder / "photometry.parquet")
    frame = frame.rename({"mw_corrected": "is_mw_corrected"}).with_columns(
        is_positive=pl.col("is_positive").fill_null(value=True)
    )
    frame = frame.unique(["object_id", "band", "mjd"], maintain_order=True)
    catalogue, _ = read_catalogue(folder / "bts.csv")
    a_v_mag = {row["object_id"]: row["a_v_mag"] for row in catalogue}
    return frame.partition_by("object_id", maintain_order=True), a_v_mag


def chain(
    frames: list[pl.DataFrame], a_v_mag: dict[str, float | None], settings: Settings
) -> tuple[dict[str, float], pl.DataFrame]:
    """Seconds of processor time of each product, and the cleaned light curves."""
    schema = {"object_id": pl.String, "a_v_mag": pl.Float64, "label": pl.String, "redshift": pl.Float64}
    names = [str(frame["object_id"][0]) for frame in frames]
    objects = [pl.DataFrame([(name, a_v_mag.get(name), "SN", 0.1)], schema=schema, orient="row") for name in names]
    no_host = pl.DataFrame(schema=HOSTS)
    seconds: dict[str, float] = {}

    def timed(name: str, compute: Callable[[], list]) -> list:
        start = time.process_time()
        result = compute()
        seconds[name] = time.process_time() - start
        return result

    pairs = list(zip(frames, objects, strict=True))
    cleaned = timed(
        "light_curves",
        lambda: [light_curves(of_survey({"core.detections": d, "raw.objects": o}, ZTF), settings).rows for d, o in pairs],
    )
    curves = [pl.DataFrame(rows) for rows in cleaned]
    trios = [(c, o) for c, o in zip(curves, objects, strict=True) if len(c)]
    found = timed(
        "epochs", lambda: [epochs(of_survey({"core.light_curves": c, "raw.objects": o}, ZTF), settings).rows for c, o in trios]
    )
    everything = pl.concat([c for c, _ in trios])
    timed("gp_fits", lambda: gp_fits(of_survey({"core.light_curves": everything}, ZTF), settings).rows)
    given = [
        {"core.detections": d, "raw.objects": o, "core.epochs": pl.DataFrame(e), "core.hosts": no_host}
        for (d, o), e in zip([pair for pair, c in zip(pairs, curves, strict=True) if len(c)], found, strict=True)
    ]
    timed("features", lambda: [features(of_survey(t, ZTF), settings).rows for t in given])
    return seconds, everything


def compare_fits(curves: pl.DataFrame, n_single: int) -> None:
    """Fits a second of the batch, of george alone and of the plain procedure on the same light curves."""
    settings = preset_settings("needle2").gaussian_process
    chosen, points = [], []
    for frame in curves.partition_by("object_id", maintain_order=True):
        light_curve = LightCurve.of(*(frame[c].to_numpy() for c in ("days_since_first", "band", "mag", "mag_err"))).in_bands(
            ZTF.fit_bands
        )
        light_curve = light_curve[light_curve.mjd <= settings.max_days_since_first]
        try:
            points.append(flux_points(light_curve, settings, ZTF.fit_wavelength_angstrom))
            chosen.append(light_curve.sorted())
        except Rejection:
            continue
    some = np.linspace(0, len(points) - 1, min(n_single, len(points))).astype(int)
    batched, batch_rate = _rate(lambda: fit_many(points, wavelength_scale_angstrom=6000.0), len(points))
    single, single_rate = _rate(lambda: [fit_points(points[k], 6000.0).log_likelihood for k in some], len(some))
    plain, plain_rate = _rate(lambda: [plain_procedure(chosen[k]) for k in some], len(some))
    ours = np.array([batched[k].log_likelihood for k in some])
    print(f"fits, one core     batch {batch_rate:.0f}/s, george {single_rate:.0f}/s, plain procedure {plain_rate:.0f}/s")
    print(f"                   batch = {batch_rate / single_rate:.1f} x george = {batch_rate / plain_rate:.1f} x plain procedure")
    for name, other in (("george", single), ("plain procedure", plain)):
        gap = ours - np.array(other)
        print(
            f"                   within 0.01 of the likelihood of {name}: {np.mean(np.abs(gap) < 0.01):.1%}; lowest {gap.min():+.4f}"
        )


def _rate(compute: Callable[[], list], n: int) -> tuple[list, float]:
    start = time.process_time()
    result = compute()
    return result, n / (time.process_time() - start)


def against_truth(objects: list[tuple[SimulatedObject, pl.DataFrame]], settings: Settings) -> None:
    """Distance of usable fits from the noiseless light curve, and how often their 1 sigma intervals hold it."""
    misses, sigmas, n_usable, n_nan, n_plateaus = [], [], 0, 0, 0
    fitted = _fitted(objects, settings)
    for found, light_curve, fit, start in fitted:
        curve = daily_curve(fit, faintest_mag=settings.gaussian_process.faintest_mag)
        rise_end = peak_mjd(light_curve, ZTF.fit_bands) + settings.epochs.days_after_peak
        if judge(fit, curve, rise_end, settings.gaussian_process).reasons:
            continue
        n_usable += 1
        for band, mag in curve.mag.items():
            n_nan += int(np.isnan(mag).sum())
            own = light_curve.in_band(band).sorted().mjd
            n_plateaus += bool(4 < own[0] <= rise_end) and mag[0] < mag[round(own[0])] - 0.1
            near = curve.days_since_first[np.abs(curve.days_since_first[:, None] - own).min(axis=1) <= 2]
            truth = found.transient.mag(near + start - found.peak_mjd, band) - _extinction(found, band)
            flux, flux_err = predict(fit, near, band)
            misses.append(np.abs(mag_from_flux(flux, 0.0, faintest_mag=25.0)[0] - truth))
            sigmas.append((flux - flux_from_mag(truth, 0.0)[0]) / flux_err)
    inside = np.mean(np.abs(np.concatenate(sigmas)) < 1)
    print(
        f"truth, simulated   {n_usable} usable of {len(fitted)} fits, |fit - truth| median {np.median(np.concatenate(misses)):.3f} mag"
    )
    print(f"                   1 sigma intervals hold the truth in {inside:.0%}; NaN {n_nan}; rises from a plateau {n_plateaus}")


def _extinction(found: SimulatedObject, band: str) -> float:
    return found.transient.a_v_mag * extinction_per_a_v(ZTF.extinction_wavelength_angstrom[band])


def _fitted(
    objects: list[tuple[SimulatedObject, pl.DataFrame]], settings: Settings
) -> list[tuple[SimulatedObject, LightCurve, GaussianProcessFit, float]]:
    kept, points = [], []
    for found, frame in objects:
        catalogue = pl.DataFrame({"a_v_mag": [found.transient.a_v_mag]})
        rows = light_curves(of_survey({"core.detections": frame, "raw.objects": catalogue}, ZTF), settings).rows
        light_curve = LightCurve.of(*([row[c] for row in rows] for c in ("days_since_first", "band", "mag", "mag_err")))
        try:
            points.append(flux_points(light_curve, settings.gaussian_process, ZTF.fit_wavelength_angstrom))
            kept.append((found, light_curve, float(rows[0]["mjd"])))
        except Rejection:
            continue
    fits = fit_many(
        points, wavelength_scale_angstrom=6000.0, is_error_scale_fitted=settings.gaussian_process.is_error_scale_fitted
    )
    return [(found, light_curve, fit, start) for (found, light_curve, start), fit in zip(kept, fits, strict=True)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("NEEDLE_TEST_SURVEY"))
    parser.add_argument("--single", type=int, default=200, help="light curves fitted one by one")
    parser.add_argument("--simulated", type=int, default=300, help="simulated objects compared with their truth")
    given = parser.parse_args()
    settings, objects = preset_settings("default"), simulated(given.simulated)
    frames, a_v_mag = (
        landed(Path(given.folder))
        if given.folder
        else ([frame for _, frame in objects if len(frame)], {o.object_id: 0.1 for o, _ in objects})
    )
    seconds, curves = chain(frames, a_v_mag, settings)
    each = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    print(
        f"chain, one core    {len(frames)} {'landed' if given.folder else 'simulated'} objects in {sum(seconds.values()):.0f} s: {each}"
    )
    compare_fits(curves, given.single)
    against_truth(objects, settings)


if __name__ == "__main__":
    main()
