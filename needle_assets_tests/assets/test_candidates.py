"""Unclassified objects as the deployed models see them: scores, what stands beside them, and what was said before."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from needle_assets.assets import candidates as glue
from needle_assets.samples.scaling import Scaler
from needle_assets_tests.assets.sample_frames import SETTINGS


def candidate_frames(models: list[str], **more: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What results.candidates reads, for one waiting, one classified and one uncatalogued object without stamps."""
    names = ["ZTF18a", "ZTF18b", "ZTF18c"]
    features = {"as_of_mjd": 60.0, "n_det_g": 2, "n_det_r": 1, "peak_mag_g": 18.0, "peak_mag_r": 18.5, "separation_arcsec": 1.0}
    scaler = Scaler.fit(("peak_mag_g", "peak_mag_r"), np.array([[17.0, 19.0], [19.0, 20.0]]), by_rank=True)
    model = {"ablation": "metadata", "model_kind": "metadata", "scaler": json.dumps(scaler.as_dict())}
    return {
        "raw.objects": pl.DataFrame({"object_id": names[:2], "type": [None, "SN Ia"]}),
        "core.features": pl.DataFrame([{"object_id": name, **features, "host_r_mag": 20.0} for name in names]),
        "core.masked_stamps": pl.DataFrame(schema={"object_id": pl.String, "candid": pl.Int64}),
        "core.hosts": pl.DataFrame({"object_id": names, "is_hosted": [True] * 3}),
        "core.epochs": pl.DataFrame({"object_id": names, "first_mjd": [50.0, 51.0, 52.0]}),
        "raw.alerts": pl.DataFrame({"object_id": ["ZTF18a"] * 2, "ra": [359.0, 1.0], "dec": [5.0, 5.0]}),
        "results.fold_models": pl.DataFrame([{**model, "fold": k, "model_id": name} for k, name in enumerate(models)]),
        "results.candidates": pl.DataFrame(schema={"object_id": pl.String, "as_of_mjd": pl.Float64}),
        **more,
    }


def scored(monkeypatch, by_model: dict[str, list[float]], frames: dict[str, pl.DataFrame]) -> dict[str, dict]:
    monkeypatch.setattr(glue, "probabilities", lambda model, chosen, _: np.tile(by_model[model["model_id"]], (len(chosen), 1)))
    deployed = replace(SETTINGS, training=replace(SETTINGS.training, deployed=("metadata",)))
    return {row["object_id"]: row for row in glue.candidates(frames, deployed).rows}


def test_a_candidate_has_the_mean_of_its_models_and_the_scatter_of_each_class(monkeypatch):
    p = {"one": [0.7, 0.2, 0.1], "two": [0.1, 0.4, 0.5]}
    found = scored(monkeypatch, p, candidate_frames(["one", "two"]))
    assert found.keys() == {"ZTF18a", "ZTF18c"}, "a classified object is no candidate"
    row = found["ZTF18a"]
    assert [row[name] for name in ("p_sn", "p_slsn", "p_tde")] == [0.4, 0.3, 0.3]
    assert (row["p_slsn_std"], row["p_tde_std"]) == (pytest.approx(0.1), pytest.approx(0.2))
    assert (row["n_models"], row["model_kind"], row["stamp_candid"]) == (2, "metadata", None)


def test_a_candidate_has_a_place_and_an_age_where_they_are_known(monkeypatch):
    found = scored(monkeypatch, {"one": [0.2, 0.3, 0.5]}, candidate_frames(["one"]))
    assert (found["ZTF18a"]["ra_deg"] % 360, found["ZTF18a"]["dec_deg"]) == (
        pytest.approx(0, abs=1e-9),
        pytest.approx(5, abs=1e-2),
    )
    assert found["ZTF18c"]["ra_deg"] is None
    assert (found["ZTF18a"]["days_since_first"], found["ZTF18c"]["days_since_first"]) == (10.0, 8.0)
    assert {row["first_above_half_mjd"] for row in found.values()} == {None}


def test_a_candidate_has_the_scores_of_trees_beside_those_of_networks_and_says_what_no_model_has_seen(monkeypatch):
    frames = candidate_frames(["one"])
    trees = frames["results.fold_models"].with_columns(ablation=pl.lit("trees"), model_id=pl.lit("grown"))
    frames["results.fold_models"] = pl.concat([frames["results.fold_models"], trees])
    row = scored(monkeypatch, {"one": [0.7, 0.2, 0.1], "grown": [0.5, 0.1, 0.4]}, frames)["ZTF18a"]
    assert [row[name] for name in ("p_slsn", "p_tde", "p_slsn_trees", "p_tde_trees")] == [0.2, 0.1, 0.1, 0.4]
    assert row["outside_range"] == ["peak_mag_r"]


def test_a_candidate_has_the_probability_of_being_none_of_the_classes_where_there_is_a_model(monkeypatch):
    monkeypatch.setattr(glue, "p_other", lambda models, chosen: [0.25 if len(models) else None] * len(chosen))
    for stored, expected in ((pl.DataFrame({"slope": [1.0]}), 0.25), (pl.DataFrame(), None)):
        frames = candidate_frames(["one"], **{"results.other_models": stored})
        assert scored(monkeypatch, {"one": [0.7, 0.2, 0.1]}, frames)["ZTF18a"]["p_other"] == expected


def test_a_candidate_above_one_half_is_remembered_from_when(monkeypatch):
    found = scored(monkeypatch, {"one": [0.2, 0.1, 0.7]}, candidate_frames(["one"]))
    assert found["ZTF18a"]["first_above_half_mjd"] == 60.0


@pytest.mark.parametrize(
    ("stamped", "hosted", "ensembles", "kind"),
    [
        (True, True, {"TH", "T", "metadata"}, "TH"),
        (True, False, {"TH", "T", "metadata"}, "T"),
        (False, True, {"TH", "T", "metadata"}, "metadata"),
        (True, True, {"T", "metadata"}, "metadata"),
        (False, True, {"TH"}, None),
    ],
)
def test_a_candidate_is_looked_at_by_the_model_made_for_it_else_by_one_without_stamps(stamped, hosted, ensembles, kind):
    assert glue._kind_for("a", {"a"} if stamped else set(), {"a"} if hosted else set(), ensembles) == kind


def test_history_of_a_candidate_keeps_what_was_said_and_replaces_only_the_present():
    row = {"as_of_mjd": 10.0, "p_slsn": 0.6, "p_tde": 0.1}
    history = glue._with_history([{**row, "first_above_half_mjd": 10.0}], {**row, "as_of_mjd": 12.0, "p_slsn": 0.2})
    assert [(r["as_of_mjd"], r["p_slsn"], r["first_above_half_mjd"]) for r in history] == [(10.0, 0.6, 10.0), (12.0, 0.2, 10.0)]
    again = glue._with_history(history, {**row, "as_of_mjd": 12.0, "p_slsn": 0.3})
    assert [r["p_slsn"] for r in again] == [0.6, 0.3]
    assert glue._with_history(history, None) == history
