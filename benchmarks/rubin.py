"""Simulated Rubin objects against their truth, and beside ZTF's view of the same transients: ``python benchmarks/rubin.py``.

Fits: distance from the noiseless light curve at the epochs of each band, and how often the 68 % intervals hold it. Features: those
of the same transient from both surveys, as of the same time, and how far the passbands alone move a magnitude.
"""

import argparse
import time

import numpy as np
import polars as pl

from benchmarks.light_curves import ztf_detections
from needle_assets.assets.light_curves import epochs, features, light_curves
from needle_assets.assets.objects import of_survey
from needle_assets.errors import Rejection
from needle_assets.light_curves.batched_fits import fit_many
from needle_assets.light_curves.extinction import extinction_per_a_v
from needle_assets.light_curves.gaussian_process import flux_points, predict
from needle_assets.light_curves.light_curve import LightCurve, flux_from_mag
from needle_assets.settings import Settings
from needle_assets.simulation.objects import DEMO_MIX
from needle_assets.simulation.rubin.objects import RubinObject, draw_rubin_object, true_mag
from needle_assets.surveys.lsst import LSST, ZEROPOINT_MAG_NJY
from needle_assets.surveys.survey import PASSBAND_ERR_MAG, Survey
from needle_assets.surveys.ztf import ZTF

SETTINGS = Settings()
COMPARED = ("peak_mag_g", "peak_mag_r", "rise_mag_g", "rise_mag_r", "rise_days_g", "rise_days_r", "peak_g_minus_r_mag")
NO_HOST = pl.DataFrame(schema={"object_id": pl.String, "is_hosted": pl.Boolean})


def detections(found: RubinObject) -> pl.DataFrame:
    """Detections as core.detections would hold them."""
    at = found.detections(np.inf)
    flux, err = found.flux_njy[at], found.flux_err_njy[at]
    columns = {
        "mjd": found.mjd[at],
        "band": found.band[at],
        "mag": ZEROPOINT_MAG_NJY - 2.5 * np.log10(flux),
        "mag_err": 1.0857 * err / flux,
    }
    flags = {"is_positive": pl.lit(value=True), "is_mw_corrected": pl.lit(value=False), "object_id": pl.lit(found.object_id)}
    return pl.DataFrame(columns).with_columns(**flags)


def cleaned(frame: pl.DataFrame, a_v_mag: float, survey: Survey) -> list[dict]:
    """Rows of core.light_curves."""
    return list(light_curves(of_survey({"core.detections": frame, "raw.objects": catalogue(a_v_mag)}, survey), SETTINGS).rows)


def catalogue(a_v_mag: float) -> pl.DataFrame:
    """What stages read of the catalogue."""
    return pl.DataFrame({"a_v_mag": [a_v_mag], "label": ["SN"], "redshift": [0.1]})


def fits_against_truth(objects: list[RubinObject]) -> None:
    """Per band: median distance and coverage at the epochs seen."""
    kept, points = [], []
    for found in objects:
        rows = cleaned(detections(found), found.transient.a_v_mag, LSST)
        curve = LightCurve.of(*([row[c] for row in rows] for c in ("days_since_first", "band", "mag", "mag_err")))
        try:
            points.append(flux_points(curve, SETTINGS.gaussian_process, LSST.fit_wavelength_angstrom))
            kept.append((found, curve, rows[0]["mjd"]))
        except Rejection:
            continue
    start = time.process_time()
    fits = fit_many(points, wavelength_scale_angstrom=6000.0, is_error_scale_fitted=True)
    print(f"{len(fits)} fits in {time.process_time() - start:.1f} s of one core")
    for band in LSST.bands:
        misses, pulls = [], []
        for (found, curve, first), fit in zip(kept, fits, strict=True):
            days = curve.in_band(band).mjd
            days = days[days <= fit.points.days.max()]
            if not len(days):
                continue
            flux, err = predict(fit, days, band)
            extinction = found.transient.a_v_mag * extinction_per_a_v(LSST.extinction_wavelength_angstrom[band])
            true = flux_from_mag(true_mag(found.transient, found.peak_mjd, days + first, band) - extinction, 0.0)[0]
            misses.append(np.abs(2.5 * np.log10(np.maximum(flux, 1e-9) / true)))
            pulls.append((flux - true) / err)
        if misses:
            miss, inside = np.concatenate(misses), np.mean(np.abs(np.concatenate(pulls)) < 1)
            print(
                f"  {band}: |fit - truth| median {np.median(miss):.3f} mag, 68 % intervals hold it in {inside:.0%} of {len(miss)} epochs"
            )


def row_of(frame: pl.DataFrame, a_v_mag: float, survey: Survey) -> dict | None:
    """Features of an object, if it has any."""
    rows = cleaned(frame, a_v_mag, survey)
    if not rows:
        return None
    frames = {"core.detections": frame, "raw.objects": catalogue(a_v_mag), "core.hosts": NO_HOST}
    given = of_survey({**frames, "core.light_curves": pl.DataFrame(rows)}, survey)
    made = pl.DataFrame(epochs(given, SETTINGS).rows)
    return dict(features(of_survey({**given, "core.epochs": made}, survey), SETTINGS).rows[0])


def features_of_both(objects: list[RubinObject]) -> None:
    """Differences of features of the same transient, Rubin's minus ZTF's."""
    pairs, passbands = [], []
    for found in objects:
        assert found.twin is not None
        a_v_mag = found.transient.a_v_mag
        ztf, lsst = row_of(ztf_detections(found.twin), a_v_mag, ZTF), row_of(detections(found), a_v_mag, LSST)
        days = np.arange(-10.0, 30.0)
        passbands += [
            found.transient.mag(days, b) - true_mag(found.transient, found.peak_mjd, found.peak_mjd + days, b) for b in ("g", "r")
        ]
        if ztf and lsst:
            pairs.append((ztf, lsst))
    print(
        f"{len(pairs)} transients seen by both; the passbands alone move g and r by {np.median(np.abs(passbands)):.3f} mag in the median,"
    )
    print(f"{np.quantile(np.abs(passbands), 0.95):.3f} mag in 95 %")
    for name in COMPARED:
        for source in ("detections", "fit"):
            gaps = [
                b[name] - a[name] for a, b in pairs if None not in (a[name], b[name]) and b["features_from"].startswith(source)
            ]
            if len(gaps) > 2:
                low, middle, high = np.quantile(gaps, [0.05, 0.5, 0.95])
                print(
                    f"  {name:20s} from {source:10s} {len(gaps):4d}: median {middle:+.3f}, 90 % within {low:+.2f} to {high:+.2f}"
                )


def curves_of_both(objects: list[RubinObject]) -> None:
    """Curves of the same transient from both surveys in g and r, where both have an epoch of the band within two days."""
    pulls, stated, gaps = [], [], []
    for found in objects:
        assert found.twin is not None
        sides = []
        for frame, survey in ((ztf_detections(found.twin), ZTF), (detections(found), LSST)):
            rows = cleaned(frame, found.transient.a_v_mag, survey)
            curve = LightCurve.of(*([row[c] for row in rows] for c in ("mjd", "band", "mag", "mag_err")))
            try:
                points = flux_points(curve, SETTINGS.gaussian_process, survey.fit_wavelength_angstrom)
            except Rejection:
                break
            sides.append((curve, fit_many([points], wavelength_scale_angstrom=6000.0, is_error_scale_fitted=True)[0]))
        if len(sides) < 2:
            continue
        for band in ZTF.feature_bands:
            own, other = (side[0].in_band(band).mjd for side in sides)
            days = own[(np.abs(own[:, None] - other).min(axis=1, initial=np.inf) < 2.0)]
            days = days[days <= min(side[1].points.days.max() for side in sides)]
            if len(days):
                (flux, err), (flux_2, err_2) = (predict(side[1], days, band) for side in sides)
                pulls.append((flux - flux_2) / np.hypot(err, err_2))
                passband = 0.4 * np.log(10.0) * PASSBAND_ERR_MAG
                stated.append((flux - flux_2) / np.sqrt(err**2 + err_2**2 + (passband * flux) ** 2 + (passband * flux_2) ** 2))
                gaps.append(np.abs(2.5 * np.log10(np.maximum(flux, 1e-9) / np.maximum(flux_2, 1e-9))))
    gap = np.concatenate(gaps)
    print(f"curves of both in g and r at {len(gap)} common epochs: {np.median(gap):.3f} mag apart in the median")
    for name, found_pulls in (("errors of the two curves", pulls), ("these and what passbands differ by", stated)):
        pull = np.abs(np.concatenate(found_pulls))
        print(f"  {name}: within 1 error {np.mean(pull < 1):.0%}, within 1.64 errors {np.mean(pull < 1.64):.0%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100)
    n = parser.parse_args().objects
    drawn = {is_twin: [draw_rubin_object(7, k, DEMO_MIX, is_twin=is_twin) for k in range(n)] for is_twin in (False, True)}
    kept = {is_twin: [found for found in objects if found is not None] for is_twin, objects in drawn.items()}
    fits_against_truth(kept[False])
    curves_of_both(kept[True])
    features_of_both(kept[True])


if __name__ == "__main__":
    main()
