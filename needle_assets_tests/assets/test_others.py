"""Who trains the model of what is none of the classes, what keeps its folds apart, and whom it scores."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.objects import of_survey
from needle_assets.assets.others import p_other
from needle_assets.assets.trained.other_models import features_of_others, known_otherwise, other_set, train_others
from needle_assets.errors import Rejection
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.samples.leakage import LeakError
from needle_assets.settings import OtherSettings
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.assets.sample_frames import LISTS, objects, split_rows
from needle_assets_tests.assets.sample_frames import SETTINGS as SMALL
from needle_assets_tests.assets.test_light_curves import HOSTS, NAME, detections
from needle_assets_tests.assets.test_light_curves import objects as catalogue_row

SETTINGS = replace(SMALL, other=OtherSettings(min_examples=4))
LISTED = {"type": pl.String, "label": pl.String, "iau_name": pl.String, "verdict": pl.String, "is_served": pl.Boolean}


def catalogue(*rows: dict) -> pl.DataFrame:
    """Rows of the catalogue far apart, with what people said of them."""
    usual = {**dict.fromkeys(LISTED), "is_served": False, "dec_deg": 0.0}
    told = [
        {**usual, "object_id": name, "ra_deg": float(k), **row} for k, (name, row) in enumerate(zip("abcdef", rows, strict=False))
    ]
    return pl.DataFrame(told, schema_overrides=LISTED)


def test_what_has_a_type_of_none_of_the_classes_trains_and_what_is_uncertain_or_unknown_does_not():
    listed = catalogue(
        {"type": "nova"}, {"type": "AGN"}, {"type": "nova?"}, {"type": "SN Ia", "label": "SN"}, {"type": "weird"}, {}
    )
    assert list(known_otherwise(listed, ["d"], SETTINGS)) == ["a", "b"]


@pytest.mark.parametrize(("trains", "expected"), [(False, []), (True, ["a", "b"])])
def test_verdicts_train_only_if_the_settings_say_so_and_never_against_the_catalogue(trains, expected):
    said = [{"verdict": "other"}, {"verdict": "junk"}, {"verdict": "SN"}, {"verdict": "junk", "type": "SN Ia", "label": "SN"}]
    chosen = replace(SETTINGS, other=replace(SETTINGS.other, trains_on_verdicts=trains))
    assert list(known_otherwise(catalogue(*said), ["d"], chosen)) == expected


def test_what_has_a_label_under_another_id_or_in_another_survey_is_not_something_else():
    same = {"iau_name": "SN 2020abc"}
    listed = catalogue({"type": "nova", **same}, {"type": "SN Ia", "label": "SN", **same}, {"type": "nova", "is_served": True})
    assert known_otherwise(listed, [], SETTINGS) == {}


def test_something_else_is_described_as_of_a_few_days_after_its_peak_as_labelled_objects_are():
    rows = [(59000.0, "g", 19.5, 0.1), (59004.0, "g", 18.0, 0.1), (59100.0, "g", 19.0, 0.1)]
    epochs = pl.DataFrame({"object_id": [NAME], "first_mjd": [59000.0], "peak_mjd": [59004.0], "classification_mjd": [59100.0]})
    frames = {"core.detections": detections(rows), "core.epochs": epochs, "raw.objects": catalogue_row(label=None)}
    found = features_of_others(of_survey({**frames, "core.hosts": pl.DataFrame(schema=HOSTS)}, ZTF), SETTINGS)
    assert (found["first_mjd"][0], found["rise_days_g"][0], found["is_hosted"][0]) == (59000.0, 4.0, False)


def rows_of(names: list[str], shift: float, first_mjd: float = 58500.0) -> pl.DataFrame:
    rng = np.random.default_rng(len(names))
    values = {name: rng.normal(shift, 1.0, len(names)) for name in HOSTED_FEATURES}
    return pl.DataFrame({"object_id": names, **values, "first_mjd": first_mjd, "is_hosted": False})


def everyone(n_other: int = 8, **more: float) -> tuple:
    """Labelled objects in three folds, their features, others, and all ids of these."""
    labelled = split_rows(objects()).cast(LISTS)
    others = rows_of([f"ZTF19other{k}" for k in range(n_other)], 3.0, **more)
    return labelled, rows_of(labelled["object_id"].to_list(), 0.0), others, {name: (name,) for name in others["object_id"]}


def test_labelled_objects_keep_their_fold_untouched_ones_stay_away_and_others_are_shared_out():
    labelled, *rest = everyone()
    found = other_set(labelled, *rest, SETTINGS)
    place = dict(zip(found.object_ids, found.fold.tolist(), strict=True))
    kept = labelled.filter(~pl.col("is_untouched"))
    assert {name: place[name] for name in kept["object_id"]} == dict(kept.select("object_id", "fold").iter_rows())
    assert found.untouched == set(labelled.filter("is_untouched")["object_id"])
    assert np.bincount(found.fold[found.is_other]).max() - np.bincount(found.fold[found.is_other]).min() <= 1


def test_others_of_the_untouched_window_do_not_train_and_too_few_are_one_sentence():
    with pytest.raises(Rejection, match=r"takes 4 objects .*; there are 0 \(of 8\) and"):
        other_set(*everyone(first_mjd=60500.0), SETTINGS)


def test_two_ids_of_one_object_are_in_one_fold_and_in_two_they_would_be_a_leak():
    labelled, features, others, same_as = everyone()
    pair = ("ZTF19other0", "ZTF19other1")
    chosen = other_set(labelled, features, others, same_as | dict.fromkeys(pair, pair), SETTINGS)
    fold = dict(zip(chosen.object_ids, chosen.fold, strict=True))
    assert fold[pair[0]] == fold[pair[1]]
    moved = np.where(np.array(chosen.object_ids) == pair[0], (chosen.fold + 1) % 3, chosen.fold)
    with pytest.raises(LeakError, match="in the training part and in the validation part"):
        train_others(replace(chosen, fold=moved), SETTINGS)


def test_an_object_that_trained_is_scored_by_trees_that_did_not_see_it_and_without_a_model_nothing_is_said():
    chosen = other_set(*everyone(), SETTINGS)
    row = train_others(chosen, SETTINGS)
    models = pl.DataFrame([{name: row[name] for name in ("features", "trained_ids", "fold_of", "weights", "slope", "intercept")}])
    values = {name: chosen.features[:, k] for k, name in enumerate(HOSTED_FEATURES)}
    assert p_other(models, pl.DataFrame({"object_id": chosen.object_ids, **values})) == row["p_other"]
    strangers = p_other(models, pl.DataFrame({"object_id": [f"new{k}" for k in range(len(chosen.fold))], **values}))
    assert min(np.array(strangers)[chosen.is_other]) > max(np.array(strangers)[~chosen.is_other])
    assert p_other(models.clear(), pl.DataFrame({"object_id": ["a"]})) == [None]


def test_the_fingerprint_follows_features_and_settings_of_its_own():
    chosen = other_set(*everyone(), SETTINGS)
    marks = {
        chosen.fingerprint(SETTINGS),
        replace(chosen, features=chosen.features + 1.0).fingerprint(SETTINGS),
        chosen.fingerprint(replace(SETTINGS, other=replace(SETTINGS.other, prior=0.1))),
        chosen.fingerprint(replace(SETTINGS, seed=1)),
    }
    assert len(marks) == 4
    assert chosen.fingerprint(replace(SETTINGS, metrics=replace(SETTINGS.metrics, n_bootstrap=7))) in marks
