"""Splits and synthetic samples as products: places are kept, nothing vanishes without a reason, only what changed is drawn again."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.realism import realism
from needle_assets.assets.samples import feature_matrix
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.settings import SplitSettings
from needle_assets.stages import stage_named
from needle_assets_tests.assets.sample_frames import SETTINGS, objects, split_frames, split_rows
from needle_assets_tests.ztf import splits, synthetic_samples


def test_every_labelled_object_with_a_rise_has_a_place_and_others_a_reason():
    frame = objects()
    frames = split_frames(frame)
    frames["core.epochs"] = frames["core.epochs"].with_columns(
        n_rising_g=pl.when(pl.col("object_id") == frame["object_id"][0]).then(0).otherwise(2), n_rising_r=pl.lit(0)
    )
    frames["raw.objects"] = frames["raw.objects"].with_columns(
        label=pl.when(pl.col("object_id") == frame["object_id"][1]).then(None).otherwise("label")
    )
    product = splits(frames, SETTINGS)
    assert len(product.rows) == len(frame) - 2
    assert [why.measured["object_id"] for why in product.rejections] == [frame["object_id"][0]]


def test_places_are_kept_over_refreshes_and_given_anew_on_request():
    frame = objects()
    before = split_rows(frame.head(40))
    after = split_rows(frame, before=before)
    places = dict(before.select("object_id", "fold").iter_rows())
    assert {object_id: fold for object_id, fold in after.select("object_id", "fold").iter_rows() if object_id in places} == places
    asked = replace(SETTINGS, splits=SplitSettings(n_folds=2))
    assert set(split_rows(frame, asked, before=after)["fold"].drop_nulls()) == {0, 1}


def with_catalogue(frames: dict[str, pl.DataFrame], **columns: list) -> dict[str, pl.DataFrame]:
    """The same frames with other values for the first objects of the catalogue."""
    objects = frames["raw.objects"]
    given = {name: pl.Series(name, [*values, *objects[name].to_list()[len(values) :]]) for name, values in columns.items()}
    return {**frames, "raw.objects": objects.with_columns(**given)}


@pytest.mark.parametrize(
    "same",
    [
        {"iau_name": ["SN 2020abc", None, "2020ABC"]},
        {"ra_deg": [359.9999, 10.0, 0.0001], "dec_deg": [0.0, 0.0, 0.0]},
        {"ra_deg": [10.0, 20.0, 200.0], "dec_deg": [90.0, 0.0, 89.9998]},
    ],
)
def test_one_supernova_under_two_ids_has_one_place_and_the_table_says_so(same):
    frame = objects()
    product = splits(with_catalogue(split_frames(frame), **same), SETTINGS)
    rows = {row["object_id"]: row for row in product.rows}
    first, _, third = (rows[object_id] for object_id in frame["object_id"][:3])
    assert first["validation_of"] == third["validation_of"]
    assert first["identity"] == third["identity"] == first["object_id"]
    assert (first["other_ids"], third["other_ids"]) == ([third["object_id"]], [first["object_id"]])
    assert sum(bool(row["other_ids"]) for row in rows.values()) == 2


def test_ids_of_one_object_with_two_labels_are_refused_both():
    frame = objects()
    product = splits(with_catalogue(split_frames(frame), iau_name=["SN2020abc", "AT2020abc"], label=["SN", "TDE"]), SETTINGS)
    refused = {why.measured["object_id"]: why.reason for why in product.rejections}
    assert set(refused) == set(frame["object_id"][:2])
    assert all("SN as" in reason and "TDE as" in reason for reason in refused.values())
    assert len(product.rows) == len(frame) - 2


def test_holdouts_have_no_fold():
    asked = replace(SETTINGS, splits=SplitSettings(scheme="holdouts", n_folds=4))
    rows = split_rows(objects(), asked)
    assert rows["fold"].null_count() == len(rows)
    assert rows["validation_of"].list.len().max() >= 1


@pytest.fixture(scope="module")
def parents() -> dict[str, pl.DataFrame]:
    """Everything core.synthetic_samples reads, for 21 rare objects without stamps."""
    frame = objects()
    days = np.arange(0.0, 40.0, 4.0)
    light_curves = pl.concat(
        pl.DataFrame(
            {"band": band, "days_since_first": days, "mag": 18.0 + 0.1 * k + ((days - 20.0) / 15.0) ** 2, "mag_err": 0.05}
        ).with_columns(object_id=pl.lit(object_id))
        for k, object_id in enumerate(frame.filter(pl.col("label") != "SN")["object_id"])
        for band in ("g", "r")
    )
    fits = frame.select(
        "object_id", amplitude=pl.lit(900.0), length_scale_days=pl.lit(20.0), error_scale=pl.lit(1.0), is_usable=True
    )
    hosts = frame.select("object_id", "is_hosted", separation_arcsec=pl.lit(1.0), **{f"{b}_mag": pl.lit(20.0) for b in "grizy"})
    columns = ("mask", "target_x_px", "target_y_px", "host_x_px", "host_y_px")
    return {
        "raw.objects": frame.select("object_id", "redshift"),
        "core.hosts": hosts,
        "core.light_curves": light_curves,
        "core.gp_fits": fits,
        "core.masked_stamps": pl.DataFrame(schema={"object_id": pl.String, **dict.fromkeys(columns, pl.Float64)}),
        "core.splits": split_rows(frame),
        "core.synthetic_samples": pl.DataFrame(schema=dict.fromkeys(("model_kind", "fold", "label", "sample"), pl.String)),
        "core.features": frame.select("object_id", *HOSTED_FEATURES),
    }


def test_synthetic_samples_are_exactly_as_many_as_asked_with_both_parents_in_the_training_part(parents):
    rows = synthetic_samples(parents, SETTINGS).rows
    validated = {row["object_id"]: row["fold"] for row in parents["core.splits"].iter_rows(named=True)}
    assert len(rows) == 3 * 2 * SETTINGS.synthetic.n_per_class
    for row in rows:
        assert validated[row["light_curve_parent"]] not in (row["fold"], None)
        assert validated[row["image_parent"]] not in (row["fold"], None)
        assert abs(row["light_curve_redshift"] - row["image_redshift"]) <= 0.2 * row["image_redshift"]


def test_only_folds_and_classes_with_a_changed_parent_are_drawn_again(parents):
    first = pl.DataFrame(synthetic_samples(parents, SETTINGS).rows)
    changed = parents["core.splits"].filter((pl.col("label") == "TDE") & (pl.col("fold") == 1))["object_id"][0]
    redshifts = pl.when(pl.col("object_id") == changed).then(pl.col("redshift") + 0.001).otherwise(pl.col("redshift"))
    frames = {**parents, "core.synthetic_samples": first, "raw.objects": parents["raw.objects"].with_columns(redshift=redshifts)}
    second = pl.DataFrame(synthetic_samples(frames, SETTINGS).rows)
    key = ["fold", "label", "parents_hash"]
    kept = first.select(key).unique().join(second.select(key).unique(), on=key, how="semi").sort("label", "fold")
    assert kept.select("label", "fold").rows() == [("SLSN-I", 0), ("SLSN-I", 1), ("SLSN-I", 2), ("TDE", 1)]
    unchanged = pl.DataFrame(synthetic_samples({**parents, "core.synthetic_samples": first}, SETTINGS).rows)
    assert unchanged.equals(first.select(unchanged.columns))


def test_a_class_without_partners_is_refused_with_the_reason_once(parents):
    far = parents["raw.objects"].with_columns(redshift=0.001 * 1.5 ** pl.int_range(pl.len()).cast(pl.Float64))
    product = synthetic_samples({**parents, "raw.objects": far}, SETTINGS)
    assert len(product.rejections) == 2
    assert "no pair of different objects within 20%" in product.rejections[0].reason


def test_realism_is_judged_where_there_are_enough_real_objects(parents):
    drawn = pl.DataFrame(
        synthetic_samples(parents, replace(SETTINGS, synthetic=replace(SETTINGS.synthetic, n_per_class=12))).rows
    )
    product = realism({**parents, "core.synthetic_samples": drawn}, SETTINGS)
    assert [why.reason[:34] for why in product.rejections] == [
        "NEEDLE-metadata, SLSN-I: 9 real an",
        "NEEDLE-metadata, TDE: 6 real and 1",
    ]
    everyone = parents["core.splits"].with_columns(
        is_untouched=pl.lit(value=False), validation_of=pl.lit([1], dtype=pl.List(pl.Int32))
    )
    rows = realism({**parents, "core.synthetic_samples": drawn, "core.splits": everyone}, SETTINGS).rows
    assert [(row["label"], row["n_synthetic"]) for row in rows] == [("SLSN-I", 12), ("TDE", 12)]
    assert all(row["is_failed"] == (row["auc"] >= 0.65) for row in rows)


def test_the_pipeline_reads_exactly_the_features_of_table_1():
    assert stage_named("results.realism").reads["core.features"] == HOSTED_FEATURES
    assert feature_matrix(objects()).shape == (len(objects()), 33)
