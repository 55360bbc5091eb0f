"""Compare daily Gaussian process curves with those of the NEEDLE 2.0 authors.

    python benchmarks/gp_parity.py NPZ WAREHOUSE_OR_LANDING_FOLDER [--sources REGEX] [--preset needle2]

NPZ holds ``object_id``, ``offset``, ``t`` [d since first detection], ``g``, ``r`` [mag]: object k spans ``offset[k]:offset[k + 1]``.
With a warehouse (``needle.duckdb``, made with the preset needle2) its core.gp_fits is compared; with a landing folder the
photometry in it is cleaned and fitted here. Objects count whose g and r detections are all of alert type (their source matches
the regular expression) and at least eight.
"""

import argparse
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from needle_assets.assets.light_curves import gp_fits, light_curves
from needle_assets.assets.objects import of_survey
from needle_assets.landing.catalogues import read_catalogue, read_photometry
from needle_assets.settings import Settings, preset_settings
from needle_assets.surveys.ztf import ZTF

MEDIAN_LIMIT_MAG, P90_LIMIT_MAG, MIN_DETECTIONS = 0.01, 0.05, 8
DETECTIONS = "select object_id, mjd, band, mag, mag_err, is_positive, is_mw_corrected, source from core.detections"
FITS = "select object_id, days_since_first, mag_g, mag_r from core.gp_fits"


def from_warehouse(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Detections and fits of a published warehouse."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(DETECTIONS).pl(), connection.execute(FITS).pl()


def from_landing(folder: Path, settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Detections of a landing folder's photometry, and fits made of them here."""
    detections = read_photometry(folder / "photometry.parquet")[0].rename({"mw_corrected": "is_mw_corrected"})
    detections = detections.with_columns(pl.col("is_positive").fill_null(value=True))
    detections = detections.unique(["object_id", "band", "mjd"], maintain_order=True)
    objects = pl.DataFrame(read_catalogue(folder / "bts.csv")[0], infer_schema_length=None).select("object_id", "a_v_mag")
    rows: list = []
    for (object_id,), frame in detections.partition_by("object_id", as_dict=True, maintain_order=True).items():
        frames = {"core.detections": frame, "raw.objects": objects.filter(pl.col("object_id") == object_id)}
        rows.extend(light_curves(of_survey(frames, ZTF), settings).rows)
    fits = gp_fits(of_survey({"core.light_curves": pl.DataFrame(rows)}, ZTF), settings).rows
    return detections, pl.DataFrame(fits).select("object_id", "days_since_first", "mag_g", "mag_r")


def alert_objects(detections: pl.DataFrame, sources: str) -> list[str]:
    """Objects with at least eight detections in g and r, all from sources that match."""
    in_fit_bands = detections.filter(pl.col("band").is_in(["g", "r"])).group_by("object_id")
    counts = in_fit_bands.agg(n=pl.len(), is_alert=pl.col("source").str.contains(sources).all())
    return counts.filter(pl.col("is_alert") & (pl.col("n") >= MIN_DETECTIONS))["object_id"].sort().to_list()


def differences(npz: Path, fits: pl.DataFrame, object_ids: list[str]) -> dict[str, float]:
    """Median over days and bands of |ours - theirs| [mag] for each object that both have."""
    theirs = np.load(npz)
    index = {str(object_id): k for k, object_id in enumerate(theirs["object_id"])}
    found = {}
    for row in fits.filter(pl.col("object_id").is_in(set(object_ids) & set(index))).iter_rows(named=True):
        k = index[row["object_id"]]
        part = slice(*theirs["offset"][k : k + 2])
        _, a, b = np.intersect1d(np.asarray(row["days_since_first"]), theirs["t"][part], return_indices=True)
        per_band = [
            np.abs(np.asarray(row[f"mag_{band}"])[a] - theirs[band][part][b]) for band in "gr" if row[f"mag_{band}"] is not None
        ]
        values = np.concatenate([*per_band, np.empty(0)])
        if np.isfinite(values).any():
            found[row["object_id"]] = float(np.nanmedian(values))
    return found


def main() -> int:
    """Print the comparison; exit code 1 where it misses the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("npz", type=Path)
    parser.add_argument("where", type=Path, help="needle.duckdb, or a landing folder with photometry.parquet and bts.csv")
    parser.add_argument(
        "--sources", default="(?i)ANTARES|alert|packet|history", help="what the source of an alert-type detection matches"
    )
    parser.add_argument("--preset", default="needle2", help="settings for a landing folder")
    given = parser.parse_args()
    is_folder = given.where.is_dir()
    detections, fits = from_landing(given.where, preset_settings(given.preset)) if is_folder else from_warehouse(given.where)
    found = differences(given.npz, fits, alert_objects(detections, given.sources))
    if not found:
        print("no object is in both with eight alert-type detections; check the paths and --sources")
        return 1
    median, p90 = np.percentile(list(found.values()), [50, 90])
    print(f"objects compared              {len(found)}")
    print(f"median of median |difference| {median:.4f} mag   (limit {MEDIAN_LIMIT_MAG})")
    print(f"90th percentile               {p90:.4f} mag   (limit {P90_LIMIT_MAG})")
    print("largest: " + ", ".join(f"{name} {value:.2f}" for name, value in sorted(found.items(), key=lambda x: -x[1])[:5]))
    return 0 if median <= MEDIAN_LIMIT_MAG and p90 <= P90_LIMIT_MAG else 1


if __name__ == "__main__":
    sys.exit(main())
