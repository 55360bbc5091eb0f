from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from needle_assets.assets.light_curves import feature_importance
from needle_assets.assets.pictures import light_curves as pictures
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.settings import preset_settings
from needle_assets.stages import stage_named
from needle_assets_tests.light_curves.bazin import bazin_light_curve
from needle_assets_tests.ztf import epochs, features, gp_fits, light_curves

SETTINGS = preset_settings("default")
TABLES = Path(__file__).parents[2] / "warehouse" / "tables"
NAME = "ZTF20aaaaaaa"
DETECTIONS = {
    "object_id": pl.String,
    "mjd": pl.Float64,
    "band": pl.String,
    "mag": pl.Float64,
    "mag_err": pl.Float64,
    "is_positive": pl.Boolean,
    "is_mw_corrected": pl.Boolean,
}  # fmt: skip - two lines are enough
HOSTS = {
    "object_id": pl.String,
    "is_hosted": pl.Boolean,
    "separation_arcsec": pl.Float64,
    **{f"{b}_mag": pl.Float64 for b in "grizy"},
}


def detections(rows: Iterable[tuple[float, str, float, float]], *, is_positive: bool = True) -> pl.DataFrame:
    return pl.DataFrame([(NAME, *row, is_positive, False) for row in rows], schema=DETECTIONS, orient="row")


def objects(a_v_mag: float | None = 0.3, label: str | None = "SN", redshift: float | None = 0.1) -> pl.DataFrame:
    schema = {"object_id": pl.String, "a_v_mag": pl.Float64, "label": pl.String, "redshift": pl.Float64}
    return pl.DataFrame([(NAME, a_v_mag, label, redshift)], schema=schema, orient="row")


def walked(found: pl.DataFrame, catalogue: pl.DataFrame | None = None, hosts: pl.DataFrame | None = None, settings=SETTINGS):
    """All four products of one object, as frames; a product without rows is an empty frame."""
    frames = {
        "core.detections": found,
        "raw.objects": objects() if catalogue is None else catalogue,
        "core.hosts": pl.DataFrame(schema=HOSTS) if hosts is None else hosts,
    }
    for name, compute in (
        ("core.light_curves", light_curves),
        ("core.epochs", epochs),
        ("core.gp_fits", gp_fits),
        ("core.features", features),
    ):  # fmt: skip - one product each
        frames[name] = stored(name, compute(frames, settings).rows)
    return frames


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """A database with the tables of the light-curve stages."""
    opened = duckdb.connect(config={"threads": 1})
    opened.execute("create schema core; create schema results")
    for table in ("core.light_curves", "core.epochs", "core.gp_fits", "core.features", "results.feature_importance"):
        opened.execute((TABLES / f"{table}.sql").read_text())
    return opened


def stored(table: str, rows: list) -> pl.DataFrame:
    """What the rows are once they went into the table of the warehouse: types and checks are those of the SQL file."""
    connection().execute(f"delete from {table}")
    if rows:
        plain = [{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in row.items()} for row in rows]
        frame = pl.DataFrame(plain, infer_schema_length=None)  # noqa: F841 - DuckDB reads it by name
        connection().execute(f"insert into {table} by name select * from frame")
    return connection().execute(f"from {table}").pl()


def simulated(rng: np.random.Generator, n: int = 40) -> pl.DataFrame:
    light_curve = bazin_light_curve(rng, n=n)
    return detections(zip(59000 + light_curve.mjd, map(str, light_curve.band), light_curve.mag, light_curve.mag_err, strict=True))


CASES = {
    "no detection": [],
    "one detection": [(59000.0, "g", 18.0, 0.1)],
    "i band only": [(59000.0 + k, "i", 18.0, 0.1) for k in range(5)],
    "single band": [(59000.0 + 3 * k, "r", 18.0 + 0.05 * (k - 4) ** 2, 0.1) for k in range(12)],
    "duplicated epochs": [(59000.0 + k // 3, "gr"[k % 2], 18.0, 0.1) for k in range(12)],
    "identical times": [(59000.0, "gr"[k % 2], 18.0 + 0.1 * k, 0.1) for k in range(8)],
    "forced photometry": [(59000.0 + 2 * k, "gr"[k % 2], 22.0 - 4 * np.exp(-(((k - 40) / 20) ** 2)), 0.2) for k in range(250)],
    "huge gaps": [(59000.0 + 500 * k, "gr"[k % 2], 18.0, 0.1) for k in range(6)],
    "tiny and huge errors": [(59000.0 + k, "g", 18.0, 10.0 ** (k - 4)) for k in range(6)],
}


@pytest.mark.parametrize("preset", ["default", "needle2", "paper"])
@pytest.mark.parametrize("case", CASES)
def test_odd_light_curves_walk_through_every_stage_and_fit_their_tables(case, preset):
    walk = walked(detections(CASES[case]), settings=preset_settings(preset))
    assert len(walk["core.features"]) == len(walk["core.epochs"]) == (1 if CASES[case] else 0)
    nights = {(band, int(mjd)) for mjd, band, *_ in CASES[case]}
    kept = [(band, int(mjd)) for mjd, band in walk["core.light_curves"].select("mjd", "band").rows()]
    assert len(kept) == len(set(kept))
    assert set(kept) <= nights
    assert bool(kept) is bool(nights)


def test_a_usable_fit_has_a_finite_curve_for_every_day_in_both_bands(rng):
    fit = walked(simulated(rng))["core.gp_fits"].row(0, named=True)
    assert fit["is_usable"]
    assert len(fit["mag_g"]) == len(fit["mag_err_r"]) == len(fit["days_since_first"])
    assert np.isfinite([fit["mag_g"], fit["mag_r"], fit["mag_err_g"], fit["mag_err_r"]]).all()


def test_a_band_without_detections_is_null_and_not_invented():
    fit = walked(detections(CASES["single band"]))["core.gp_fits"].row(0, named=True)
    assert (fit["mag_g"], fit["mag_err_g"]) == (None, None)
    assert fit["mag_r"] is not None


def test_negative_differences_are_left_out_and_told():
    product = light_curves(
        {"core.detections": detections(CASES["single band"], is_positive=False), "raw.objects": objects()}, SETTINGS
    )
    assert product.rows == []
    assert product.rejections[0].measured["n_removed"] == 12


def test_a_missing_a_v_leaves_the_magnitudes_and_says_so():
    walk = walked(detections(CASES["single band"]), objects(a_v_mag=None))
    assert not walk["core.light_curves"]["is_mw_corrected"].any()
    assert not walk["core.features"]["has_mw_correction"][0]
    assert walk["core.light_curves"]["mag"].min() == pytest.approx(18.0)


def test_an_object_that_is_not_in_the_catalogue_is_a_candidate_classified_at_its_newest_detection(rng):
    found = simulated(rng)
    candidate = walked(found, objects().clear())["core.epochs"]["classification_mjd"][0]
    training = walked(found)["core.epochs"].row(0, named=True)
    assert candidate == found["mjd"].max()
    assert training["classification_mjd"] == training["peak_mjd"] + 5.0


def test_the_classification_epoch_reaches_the_newest_of_merged_detections():
    pair = detections([(59000.0, "g", 18.0, 0.1), (59000.3, "g", 18.0, 0.1)])
    assert walked(pair)["core.epochs"]["classification_mjd"][0] == 59000.3
    assert walked(pair)["core.features"]["n_det_g"][0] == 1


@pytest.mark.parametrize("spoilt", [3, 8, 12])
def test_features_know_nothing_of_what_came_after_the_epoch_not_even_through_the_cleaning(rng, spoilt):
    found = simulated(rng).with_row_index().with_columns(pl.col("mag") + 1.5 * (pl.col("index") == spoilt)).drop("index")
    walk = walked(found)
    as_of = walk["core.epochs"]["classification_mjd"][0]
    early = {**walk, "core.detections": found.filter(pl.col("mjd") <= as_of)}
    assert features(early, SETTINGS).rows == features(walk, SETTINGS).rows


def test_a_host_without_some_magnitudes_gives_what_it_can():
    host = pl.DataFrame([(NAME, True, 1.2, 20.0, 19.5, None, None, None)], schema=HOSTS, orient="row")
    row = walked(detections(CASES["single band"]), hosts=host)["core.features"].row(0, named=True)
    assert (row["has_host"], row["separation_arcsec"], row["host_g_minus_r_mag"]) == (True, 1.2, 0.5)
    assert (row["host_i_mag"], row["peak_minus_host_mag_g"], row["peak_mag_g"]) == (None, None, None)


def test_many_objects_at_once_are_fitted_as_each_alone(rng):
    alone = [walked(simulated(rng, n))["core.light_curves"].with_columns(object_id=pl.lit(f"ZTF{n}")) for n in (8, 30, 60)]
    together = gp_fits({"core.light_curves": pl.concat(alone)}, SETTINGS).rows
    for frame, row in zip(alone, together, strict=True):
        single = gp_fits({"core.light_curves": frame}, SETTINGS).rows[0]
        assert row["log_likelihood"] == pytest.approx(single["log_likelihood"], abs=1e-5)
        assert row["reasons"] == single["reasons"]


def test_a_refused_fit_names_its_object():
    product = gp_fits({"core.light_curves": walked(detections(CASES["one detection"]))["core.light_curves"]}, SETTINGS)
    assert (product.rows, product.rejections[0].measured) == ([], {"object_id": NAME, "n_points": 1})


def test_stages_read_only_what_they_declare(rng):
    walk = walked(simulated(rng))
    for table, compute in {"core.epochs": epochs, "core.gp_fits": gp_fits, "core.features": features}.items():
        reads = stage_named(table).reads
        declared = {parent: walk[parent].select("object_id", *columns) for parent, columns in reads.items() if parent in walk}
        assert stored(table, compute(declared, SETTINGS).rows).equals(stored(table, compute(walk, SETTINGS).rows))


def test_features_are_ranked_on_training_objects_only(rng):
    n = 60
    values = pl.DataFrame({name: rng.normal(size=n) for name in HOSTED_FEATURES}).with_columns(
        object_id=pl.Series(map(str, range(n)))
    )
    labels = ["SN", "TDE"] * (n // 2)
    split = pl.DataFrame(
        {"object_id": map(str, range(n)), "label": labels, "is_untouched": [k >= 50 for k in range(n)]}, strict=False
    )
    frames = {"core.features": values, "core.splits": split}
    ranked = stored("results.feature_importance", feature_importance(frames, SETTINGS).rows)
    assert sorted(ranked["rank"]) == list(range(1, 34))
    assert set(ranked["n_objects"]) == {50}
    assert len(pictures.feature_overview({**frames, "results.feature_importance": ranked}).axes) == 3
    assert feature_importance({"core.features": values, "core.splits": split.clear()}, SETTINGS).rows == []


@pytest.mark.parametrize("case", CASES)
def test_there_is_a_picture_of_every_odd_light_curve(case):
    walk = walked(detections(CASES[case]))
    for figure in (pictures.light_curve(walk), pictures.gp_fit(walk)):
        figure.draw_without_rendering()


def test_a_usable_fit_is_shown_from_other_redshifts_and_among_its_class(rng):
    walk = walked(simulated(rng))
    splits = pl.DataFrame({"object_id": [NAME], "label": ["SN"]})
    assert len(pictures.gp_fit(walk).axes) == 3
    assert len(pictures.classes({**walk, "core.splits": splits}).axes) == 4


def test_the_same_settings_give_the_same_fit_to_the_bit(rng):
    frame = walked(simulated(rng))["core.light_curves"]
    first, second = (gp_fits({"core.light_curves": frame}, replace(SETTINGS)).rows[0] for _ in range(2))
    assert first["amplitude"] == second["amplitude"]
    assert np.array_equal(first["mag_g"], second["mag_g"])
