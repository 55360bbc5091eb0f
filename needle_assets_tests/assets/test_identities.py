"""Identities of two surveys, and what they hand on: labels and places in the splits."""

import polars as pl

from needle_assets.assets.identities import identities
from needle_assets.assets.light_curves import a_v_of, epochs
from needle_assets.assets.objects import OBJECTS
from needle_assets.assets.samples import splits
from needle_assets.settings import Settings

ZTF_ID, OTHER_ZTF_ID, LSST_ID, FAR_ID = "ZTF20abcdefg", "ZTF20abcdefh", "313893023095193658", "313893023095193659"
ARCSEC = 1.0 / 3600.0
OBJECT_SCHEMA = {
    **dict.fromkeys(("object_id", "label", "iau_name"), pl.String),
    **dict.fromkeys(("ra_deg", "dec_deg", "redshift", "a_v_mag"), pl.Float64),
}


def frames(packets: dict[str, list[tuple[float, float]]], labels: dict[str, str]) -> dict[str, pl.DataFrame]:
    names = sorted(packets)
    alerts = [(name, ra, dec) for name in names for ra, dec in packets[name]]
    surveys = ["ztf" if name.startswith("ZTF") else "lsst" for name in names]
    return {
        OBJECTS: pl.DataFrame({"object_id": names, "survey": surveys}),
        "raw.alerts": pl.DataFrame(alerts, schema={"object_id": pl.String, "ra": pl.Float64, "dec": pl.Float64}, orient="row"),
        "raw.objects": pl.DataFrame(
            [{"object_id": name, "label": label, "redshift": 0.1} for name, label in labels.items()], schema=OBJECT_SCHEMA
        ),
    }


def both(**labels: str) -> dict[str, pl.DataFrame]:
    near = [(62.5, -47.75 + 0.3 * ARCSEC), (62.5, -47.75 + 0.4 * ARCSEC)]
    return frames({ZTF_ID: [(62.5, -47.75)] * 3, LSST_ID: near, FAR_ID: [(63.5, -47.75)]}, labels)


def test_a_pair_stands_in_both_directions_under_one_name():
    rows = identities(both(), Settings()).rows
    assert {(row["object_id"], row["other_id"], row["identity"]) for row in rows} == {
        (ZTF_ID, LSST_ID, LSST_ID),
        (LSST_ID, ZTF_ID, LSST_ID),
    }
    assert all(0.3 < row["separation_arcsec"] < 0.4 and not row["is_ambiguous"] for row in rows)


def test_a_label_of_one_serves_the_other_and_only_the_other():
    rows = identities(both(**{ZTF_ID: "TDE"}), Settings()).rows
    assert {row["object_id"]: row["label"] for row in rows} == {LSST_ID: "TDE", ZTF_ID: None}


def test_the_extinction_of_one_serves_the_other():
    given = both(**{ZTF_ID: "SN"})
    given["raw.objects"] = given["raw.objects"].with_columns(a_v_mag=pl.lit(0.3))
    rows = identities(given, Settings()).rows
    assert {row["object_id"]: row["a_v_mag"] for row in rows} == {LSST_ID: 0.3, ZTF_ID: None}
    frame = {"raw.objects": pl.DataFrame({"a_v_mag": []}), "core.identities": pl.DataFrame({"a_v_mag": [0.3]})}
    assert a_v_of(frame) == 0.3
    assert a_v_of({**frame, "raw.objects": pl.DataFrame({"a_v_mag": [0.1]})}) == 0.1


def test_no_label_is_handed_on_where_another_id_is_as_near():
    given = both(**{ZTF_ID: "TDE"})
    alerts = pl.concat([given["raw.alerts"], pl.DataFrame({"object_id": [OTHER_ZTF_ID], "ra": [62.5], "dec": [-47.75]})])
    given |= {"raw.alerts": alerts}
    given[OBJECTS] = pl.concat([given[OBJECTS], pl.DataFrame({"object_id": [OTHER_ZTF_ID], "survey": ["ztf"]})])
    rows = identities(given, Settings()).rows
    assert len(rows) == 4
    assert all(row["is_ambiguous"] and row["label"] is None for row in rows)


def test_a_home_of_one_survey_has_no_identities():
    assert identities(frames({ZTF_ID: [(62.5, -47.75)]}, {ZTF_ID: "SN"}), Settings()).rows == []


def test_ids_of_one_object_train_together_and_the_other_survey_is_no_parent():
    given = both(**{ZTF_ID: "TDE"})
    given["core.identities"] = pl.DataFrame(identities(given, Settings()).rows)
    ids = [ZTF_ID, LSST_ID]
    given |= {
        "core.epochs": pl.DataFrame({"object_id": ids, "first_mjd": [61000.0] * 2, "n_rising_g": [3, 3], "n_rising_r": [3, 3]}),
        "core.hosts": pl.DataFrame({"object_id": ids, "is_hosted": [False, False]}),
        "core.masked_stamps": pl.DataFrame({"object_id": [ZTF_ID], "candid": [1]}),
        "core.detections": pl.DataFrame({"object_id": ids, "source": ["packet"] * 2}),
        "core.splits": pl.DataFrame(schema={"object_id": pl.String, "rule": pl.String, "is_untouched": pl.Boolean}),
    }
    rows = {row["object_id"]: row for row in splits(given, Settings()).rows}
    assert {row["label"] for row in rows.values()} == {"TDE"}
    assert len({(row["identity"], row["fold"], row["is_untouched"]) for row in rows.values()}) == 1
    assert (rows[ZTF_ID]["has_redshift"], rows[LSST_ID]["has_redshift"]) == (True, False)


def test_an_object_with_a_served_label_is_classified_as_training_objects_are():
    days = [0.0, 10.0, 20.0, 60.0]
    curve = {"object_id": LSST_ID, "band": "g", "mag_err": 0.05}
    points = [{**curve, "mjd": 61000.0 + d, "last_mjd": 61000.0 + d, "mag": 20.0 + abs(d - 20.0) / 20} for d in days]
    given = {OBJECTS: both()[OBJECTS].filter(pl.col("object_id") == LSST_ID), "core.light_curves": pl.DataFrame(points)}
    given["raw.objects"] = pl.DataFrame(schema=OBJECT_SCHEMA)
    without = epochs({**given, "core.identities": pl.DataFrame(schema={"label": pl.String})}, Settings()).rows[0]
    served = epochs({**given, "core.identities": pl.DataFrame({"label": ["TDE"]})}, Settings()).rows[0]
    assert (without["classification_mjd"], served["classification_mjd"]) == (61060.0, 61025.0)
