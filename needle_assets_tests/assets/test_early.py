"""Features as of several moments, and the models that are trained on them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.early import early_features, early_metrics
from needle_assets.assets.objects import of_survey
from needle_assets.assets.trained.fold_models import plan
from needle_assets.assets.trained.fold_tasks import task_of, train_tasks
from needle_assets.assets.trained.pixels import Frozen
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.samples.ablations import ablation_named
from needle_assets.settings import EarlySettings, Settings
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.assets.sample_frames import LISTS, SETTINGS, objects, split_rows
from needle_assets_tests.assets.test_light_curves import HOSTS, detections
from needle_assets_tests.assets.test_light_curves import objects as catalogue
from needle_assets_tests.assets.test_models import training_set

RISE = [(59000.0, "g", 19.5, 0.1), (59002.0, "r", 19.2, 0.1), (59006.0, "g", 18.8, 0.1), (59010.0, "r", 18.5, 0.1)]
MOMENTS = ("1 d", "8 d", "peak + 5 d")


def moments_of(rows: list[tuple[float, str, float, float]], label: str | None = "SN") -> list[dict]:
    epochs = pl.DataFrame({"object_id": ["ZTF20aaaaaaa"], "first_mjd": [59000.0], "classification_mjd": [59010.0]})
    frames = {"core.detections": detections(rows), "core.epochs": epochs, "raw.objects": catalogue(label=label)}
    chosen = Settings(early=EarlySettings(days_after_discovery=(1.0, 8.0)))
    return early_features(of_survey({**frames, "core.hosts": pl.DataFrame(schema=HOSTS)}, ZTF), chosen).rows


def test_a_labelled_object_is_described_as_of_each_moment_and_an_unlabelled_one_is_not():
    told = [(row["moment"], row["days_after_discovery"], row["n_det_g"], row["n_det_r"]) for row in moments_of(RISE)]
    assert told == [("1 d", 1.0, 1, 0), ("8 d", 8.0, 2, 1), ("peak + 5 d", 10.0, 2, 2)]
    assert moments_of(RISE, label=None) == []


def test_nothing_after_a_moment_changes_what_is_said_of_it():
    brighter = [*RISE[:3], (59010.0, "r", 15.0, 0.1)]
    assert moments_of(RISE)[:2] == moments_of(brighter)[:2]
    assert moments_of(RISE)[2] != moments_of(brighter)[2]


def early_rows() -> pl.DataFrame:
    """Three moments of each made-up object, whose features differ by class the more the later."""
    rows = [
        {"object_id": row["object_id"], "moment": moment, "as_of_mjd": 58500.0 + at, "days_after_discovery": float(at)}
        | {"n_det_g": at + 1, "n_det_r": at}
        | {name: row[name] * at for name in HOSTED_FEATURES}
        for row in objects().iter_rows(named=True)
        for at, moment in enumerate(MOMENTS)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize("n_moments", [1, 2, 9])
def test_an_ablation_trained_early_sees_so_many_moments_of_each_object_of_its_part(tmp_path, n_moments):
    chosen = replace(SETTINGS, training=replace(SETTINGS.training, n_moments=n_moments))
    frozen = replace(training_set(objects()), early=early_rows())
    job = plan(frozen, [ablation_named("metadata_early")], chosen)[0][0]
    task = task_of(job, frozen, Frozen(tmp_path, {}, {}), chosen)
    n = len(job.trained) * min(n_moments, 3)
    assert (len(task.features[0]), len(task.y[0]), len(task.features[1])) == (n, n, len(job.validated))
    other = replace(frozen, early=frozen.early.with_columns(peak_mag_g=pl.col("peak_mag_g") + 1.0))
    assert plan(other, [job.ablation], chosen)[0][0].fingerprint != job.fingerprint


def test_models_are_judged_as_of_each_moment_on_objects_that_they_did_not_see(tmp_path):
    frozen = replace(training_set(objects()), early=early_rows())
    (tmp_path / "progress").mkdir()
    jobs = plan(frozen, [ablation_named("trees_early")], SETTINGS)[0]
    models = [
        {**row, "ablation": job.ablation.name}
        for job in jobs
        for row in train_tasks([task_of(job, frozen, Frozen(tmp_path, {}, {}), SETTINGS)])
    ]
    frames = {
        "core.early_features": early_rows(),
        "core.epochs": objects().select("object_id", peak_mjd=pl.lit(58501.5)),
        "core.splits": split_rows(objects()).cast(LISTS),
        "results.fold_models": pl.DataFrame(models, infer_schema_length=None),
    }
    rows = early_metrics(frames, SETTINGS).rows
    area = {
        row["part"]: row["value"] for row in rows if (row["metric"], row["class"], row["grouped_by"]) == ("pr_area", "TDE", "age")
    }
    assert list(area) == list(MOMENTS)
    assert area["1 d"] < 0.5 < area["peak + 5 d"]
    assert np.isfinite([row["ci_low"] for row in rows if row["metric"] == "days_before_peak"]).all()
