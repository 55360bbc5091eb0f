"""Quality, restoration, masks and masked stamps as rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.images import masks, restored_stamps, stamp_quality
from needle_assets.assets.stored_stamps import pixel_rows
from needle_assets.errors import Rejection
from needle_assets.settings import Settings, preset_settings
from needle_assets_tests.images.examples import real_pairs, star
from needle_assets_tests.ztf import masked_stamps

PIXELS = pl.Array(pl.Float32, 3600)
MASK = pl.Array(pl.Boolean, 3600)
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "core.stamps": {
        "object_id": pl.String,
        "candid": pl.Int64,
        "band": pl.String,
        "mjd": pl.Float64,
        "science": PIXELS,
        "reference": PIXELS,
        **dict.fromkeys(("target_x_px", "target_y_px", "host_x_px", "host_y_px"), pl.Float64),
    },
    "core.stamp_quality": {
        "object_id": pl.String,
        "candid": pl.Int64,
        "image": pl.String,
        "is_good": pl.Boolean,
        "reasons": pl.List(pl.String),
    },
    "core.restored_stamps": {
        "object_id": pl.String,
        "candid": pl.Int64,
        "image": pl.String,
        "pixels": PIXELS,
        "is_accepted": pl.Boolean,
    },
    "core.masks": {
        "object_id": pl.String,
        "candid": pl.Int64,
        "mask": MASK,
        "replaced": MASK,
        "is_blended": pl.Boolean,
        "touches_border": pl.Boolean,
    },
}


def frame(table: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as the warehouse hands them over: declared columns, pixels flat."""
    schema = SCHEMAS[table]
    columns = {
        name: pl.Series(name, [_flat(row[name]) for row in rows], dtype=pl.List(kind.inner)).cast(kind)
        if isinstance(kind, pl.Array)
        else pl.Series(name, [row[name] for row in rows], dtype=kind)
        for name, kind in schema.items()
    }
    return pl.DataFrame(columns)


def _flat(pixels: Any) -> list | None:
    return None if pixels is None else np.asarray(pixels).ravel().tolist()


def walk(
    stamps: pl.DataFrame, settings: Settings, *, until: float = 1e6, detections: pl.DataFrame | None = None
) -> dict[str, Any]:
    """All four products of one object."""
    frames = {"core.stamps": stamps}
    products = {}
    for name, compute in (
        ("core.stamp_quality", stamp_quality),
        ("core.restored_stamps", restored_stamps),
        ("core.masks", masks),
    ):
        products[name] = compute(frames, settings)
        frames[name] = frame(name, products[name].rows)
    frames["core.epochs"] = pl.DataFrame({"object_id": ["ZTF20aaaaaaa"], "classification_mjd": [until]})
    empty = pl.DataFrame(schema={"candid": pl.Int64, "mag": pl.Float64, "is_positive": pl.Boolean})
    frames["core.detections"] = empty if detections is None else detections
    try:
        products["core.masked_stamps"] = masked_stamps(frames, settings)
    except Rejection as why:
        products["core.masked_stamps"] = why
    return products


def stamp(candid: int, science: Any, reference: Any, **given: Any) -> dict[str, Any]:
    plain = {"object_id": "ZTF20aaaaaaa", "band": "r", "mjd": 58_000.0 + candid, "host_x_px": None, "host_y_px": None}
    return {
        **plain,
        "candid": candid,
        "science": science,
        "reference": reference,
        "target_x_px": 30.0,
        "target_y_px": 30.0,
        **given,
    }


@pytest.fixture
def science(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 5, (60, 60)) + star(30, 30, 300.0) + star(12, 14, 900.0) + star(45, 42, 700.0)


@pytest.fixture
def reference(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(40, 1.5, (60, 60)) + star(12, 14, 900.0) + star(45, 42, 700.0)


def cropped(image: np.ndarray, n_columns: int = 6) -> np.ndarray:
    return np.where(np.arange(60) < n_columns, np.nan, image)


def test_a_good_pair_becomes_the_masked_pair(science, reference):
    found = walk(frame("core.stamps", [stamp(1, science, reference)]), Settings())
    row = found["core.masked_stamps"].rows[0]
    assert [r["is_good"] for r in found["core.stamp_quality"].rows] == [True, True]
    assert found["core.restored_stamps"].rows == []
    assert (row["candid"], row["is_restored"], row["mask"].sum() < 60) == (1, False, True)
    assert np.array_equal(row["science"][row["mask"]], science.astype(np.float32)[row["mask"]].astype(float))


def test_bad_science_is_repaired_from_an_earlier_detection_in_its_band(science, reference, rng):
    earlier = science + rng.normal(0, 2, (60, 60))
    rows = [stamp(1, earlier, reference), stamp(2, earlier, reference, band="g"), stamp(3, cropped(science), reference)]
    restored = walk(frame("core.stamps", rows), Settings())["core.restored_stamps"].rows
    assert [(r["candid"], r["image"], r["donor_candid"], r["donor_image"]) for r in restored] == [(3, "science", 1, "science")]
    assert restored[0]["is_accepted"]


def test_bad_science_without_one_is_repaired_from_the_reference(science, reference):
    rows = [stamp(1, cropped(science), reference), stamp(2, science, reference)]
    restored = walk(frame("core.stamps", rows), Settings())["core.restored_stamps"].rows
    assert [(r["candid"], r["donor_candid"], r["donor_image"], r["n_repaired"]) for r in restored] == [(1, 1, "reference", 360)]


def test_a_bad_reference_is_repaired_from_science(science, reference):
    restored = walk(frame("core.stamps", [stamp(1, science, cropped(reference))]), Settings())["core.restored_stamps"].rows
    assert [(r["image"], r["donor_image"], r["is_accepted"]) for r in restored] == [("reference", "science", True)]


def test_a_pair_bad_twice_is_refused_with_both_reasons(science, reference):
    found = walk(frame("core.stamps", [stamp(1, cropped(science, 8), cropped(reference, 8))]), Settings())
    (why,) = found["core.restored_stamps"].rejections
    assert (why.candid, why.measured["object_id"]) == (1, "ZTF20aaaaaaa")
    assert why.reason.startswith("science (missing_pixels) and reference (missing_pixels) are both bad")
    assert found["core.masks"].rows == []
    assert "None of 1 stamps" in found["core.masked_stamps"].reason


def test_earlier_images_repair_a_pair_that_is_bad_twice(science, reference, rng):
    rows = [stamp(1, science, reference), stamp(2, cropped(science), cropped(reference))]
    restored = walk(frame("core.stamps", rows), Settings())["core.restored_stamps"].rows
    assert [(r["image"], r["donor_candid"], r["donor_image"]) for r in restored] == [
        ("science", 1, "science"),
        ("reference", 1, "reference"),
    ]
    assert all(row["is_accepted"] for row in restored)


def test_a_repair_that_replaces_the_transient_is_refused(science, reference):
    science[:, 31] = -999.0
    found = walk(frame("core.stamps", [stamp(1, science, reference)]), Settings())
    assert found["core.restored_stamps"].rows[0]["reasons_after"] == ["transient_lost"]
    assert "transient_lost" in found["core.restored_stamps"].rejections[0].reason
    assert found["core.masks"].rows == []


def test_glints_beside_a_transient_with_a_host_are_repaired_and_a_glint_is_no_transient(science, reference):
    flashed = science + star(10, 45, 300.0) + star(50, 15, 300.0)
    hosted, alone = reference + star(31, 31, 150.0), reference
    restored = walk(frame("core.stamps", [stamp(1, flashed, hosted), stamp(2, flashed, alone)]), Settings())
    assert [row["reasons"] for row in restored["core.stamp_quality"].rows] == [["foreign_sources"], []] * 2
    assert [row["reasons_after"] for row in restored["core.restored_stamps"].rows] == [[], ["transient_lost"]]


def test_a_refused_repair_tells_what_was_wrong(science, reference):
    science[:, ::3] += 10.0
    found = walk(frame("core.stamps", [stamp(1, science, reference)]), Settings())
    (why,) = found["core.restored_stamps"].rejections
    assert why.measured["science_reasons"] == "banding"
    assert "100% of the image is damaged" in why.reason


def test_an_absent_image_is_bad_and_cannot_be_made_up(science, reference):
    found = walk(frame("core.stamps", [stamp(1, science, None)]), Settings())
    assert [r["reasons"] for r in found["core.stamp_quality"].rows] == [[], ["empty", "missing_pixels"]]
    assert "100% of the image is damaged" in found["core.restored_stamps"].rejections[0].reason


def test_a_good_pair_is_chosen_before_a_repaired_one_and_nothing_after_the_epoch(science, reference):
    rows = [stamp(1, science, reference), stamp(2, cropped(science), reference), stamp(3, science, reference)]
    mags = pl.DataFrame({"candid": [1, 2, 3], "mag": [19.0, 18.0, 17.0], "is_positive": [True, True, True]})
    found = walk(frame("core.stamps", rows), Settings(), until=58_002.5, detections=mags)
    assert {r["candid"] for r in found["core.masks"].rows} == {1, 2, 3}
    assert found["core.masked_stamps"].rows[0]["candid"] == 1


def test_negative_detections_do_not_stand_for_an_object(science, reference):
    negative = pl.DataFrame({"candid": [1], "mag": [18.0], "is_positive": [False]})
    found = walk(frame("core.stamps", [stamp(1, science, reference)]), Settings(), detections=negative)
    assert "brighter than the reference" in found["core.masked_stamps"].reason


def test_pixels_that_no_image_of_the_field_shows_are_completed_with_own_noise(science, reference):
    edge = np.arange(60) < 4
    found = walk(frame("core.stamps", [stamp(1, np.where(edge, np.nan, science), np.where(edge, np.nan, reference))]), Settings())
    for row, image in zip(found["core.restored_stamps"].rows, (science, reference), strict=True):
        assert (row["donor_candid"], row["donor_image"], row["n_from_noise"]) == (1, row["image"], 240)
        assert np.array_equal(row["pixels"][:, 4:], image[:, 4:].astype(np.float32))
        assert abs(row["pixels"][:, :4].mean() - np.median(image)) < image[:30, :30].std()
    assert found["core.masked_stamps"].rows[0]["is_restored"]


@pytest.mark.parametrize(("n_columns", "preset"), [(4, "paper"), (4, "needle2"), (7, "default"), (31, "default")])
def test_too_many_missing_pixels_are_not_made_up(science, reference, n_columns, preset):
    edge = np.arange(60) < n_columns
    pair = stamp(1, np.where(edge, np.nan, science), np.where(edge, np.nan, reference))
    found = walk(frame("core.stamps", [pair]), preset_settings(preset))
    assert found["core.restored_stamps"].rows == []
    assert "are both bad" in found["core.restored_stamps"].rejections[0].reason


def test_missing_pixels_at_the_target_are_not_made_up(science, reference):
    hole = np.zeros((60, 60), bool)
    hole[30, 31] = True
    pair = stamp(1, np.where(hole, np.nan, science), np.where(hole, np.nan, reference))
    found = walk(frame("core.stamps", [pair]), Settings())
    assert all("transient_lost" in row["reasons_after"] for row in found["core.restored_stamps"].rows)


def test_an_object_without_stamps_has_no_rows():
    found = walk(frame("core.stamps", []), Settings())
    assert all(product.rows == [] and product.rejections == [] for product in found.values())


def test_pixels_come_back_as_stored():
    given = [np.arange(3600.0), None]
    rows = pixel_rows(frame("core.stamps", [stamp(1, given[0], None), stamp(2, None, None)])["science"])
    assert np.array_equal(rows[0].ravel(), given[0])
    assert np.isnan(rows[1]).all()


def test_slices_of_a_column_of_pixels_are_read_from_their_start():
    column = frame("core.stamps", [stamp(n, np.full(3600, float(n)), None) for n in range(4)])["science"]
    assert pixel_rows(column[2:4])[:, 0, 0].tolist() == [2.0, 3.0]


@pytest.fixture(scope="module")
def real_objects(survey: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of core.stamps of every packet of the real survey, by object."""
    objects: dict[str, list[dict[str, Any]]] = {}
    for pair in real_pairs(survey):
        given = {"object_id": pair.object_id, "band": pair.band, "mjd": pair.mjd}
        place = {"target_x_px": pair.target_px[0], "target_y_px": pair.target_px[1]}
        objects.setdefault(pair.object_id, []).append(stamp(pair.candid, pair.science, pair.reference, **given, **place))
    return objects


@pytest.mark.parametrize(("preset", "step"), [("default", 1), ("paper", 9), ("needle2", 9)])
def test_every_real_packet_ends_in_a_mask_or_a_reason(real_objects, preset, step):
    for rows in list(real_objects.values())[::step]:
        found = walk(frame("core.stamps", rows), preset_settings(preset))
        refused = {why.candid for why in found["core.restored_stamps"].rejections}
        assert {row["candid"] for row in found["core.masks"].rows} | refused == {row["candid"] for row in rows}


def test_a_second_run_changes_no_byte(real_objects):
    for rows in [rows for rows in real_objects.values() if len(rows) > 1][:8]:
        one, other = (bytes_of(walk(frame("core.stamps", rows), Settings())) for _ in range(2))
        assert one == other


def test_objects_computed_together_are_as_computed_alone(real_objects):
    chosen = list(real_objects.values())[:20]
    together = {"core.stamps": frame("core.stamps", [row for rows in chosen for row in rows])}
    together["core.stamp_quality"] = frame("core.stamp_quality", stamp_quality(together, Settings()).rows)
    alone = [walk(frame("core.stamps", rows), Settings()) for rows in chosen]
    expected = [row for found in alone for row in bytes_of({"x": found["core.restored_stamps"]})[0]]
    assert bytes_of({"x": restored_stamps(together, Settings())})[0] == expected


def bytes_of(products: Mapping[str, Any]) -> list[Any]:
    """Everything in the products in a form that compares by value."""
    return [
        product.reason
        if isinstance(product, Rejection)
        else [{k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in row.items()} for row in product.rows]
        for product in products.values()
    ]
