"""Training what differs, scores from models that were not trained on an object, metrics and candidates; and every leak planted."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from needle_assets.assets import models as glue
from needle_assets.assets.trained.fold_models import TrainingError, TrainingSet, plan
from needle_assets.assets.trained.fold_tasks import Task, _loss, task_of, together, train_tasks
from needle_assets.assets.trained.pixels import Frozen
from needle_assets.classifiers.evaluation import association
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.pipeline import run_stage, tell
from needle_assets.pipeline import train as training
from needle_assets.pipeline.session import Session
from needle_assets.samples.ablations import UnknownAblationError, ablation_named
from needle_assets.samples.leakage import LeakError, Parents
from needle_assets.settings import preset_settings
from needle_assets.stages import stage_named
from needle_assets.surveys.known import is_simulated
from needle_assets.warehouse.checks import CHECKS
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models
from needle_assets_tests.assets.sample_frames import COUNTS, SETTINGS, objects, opened, session_of, split_rows, store


def ask(session: Session, query: str) -> list[tuple]:
    with writing(session.home.working) as connection:
        return connection.execute(query).fetchall()


def score(session: Session, *tables: str) -> dict[str, int]:
    done = {}
    for table in tables or ("results.predictions", "results.metrics"):
        report = run_stage.refresh_stage(session, stage_named(table), tell=lambda _told, _versions: None, run_id="test")
        assert report.failed == 0, ask(session, "select measured from core.rejections")
        done[table] = report.computed
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three trained models and their scores. Nobody may change it."""
    made = session_of(tmp_path_factory.mktemp("trained"), objects())
    report = training.train_folds(made)
    assert (report.trained, report.up_to_date, report.not_trained) == (3, 0, [])
    score(made)
    return made.home.path


@pytest.fixture
def session(trained: Path, tmp_path: Path) -> Session:
    """A session in a copy of it."""
    shutil.copytree(trained, tmp_path / "home")
    return opened(tmp_path / "home")


def changed_objects() -> pl.DataFrame:
    """The made-up objects, one of them brighter."""
    first = pl.col("object_id") == objects()["object_id"][0]
    return objects().with_columns(peak_mag_r=pl.when(first).then(9.0).otherwise("peak_mag_r"))


def test_every_fold_is_trained_once_and_a_second_training_does_nothing(session):
    again = training.train_folds(session)
    assert (again.trained, again.up_to_date) == (0, 3)
    assert ask(session, "select count(*), min(n_training), max(n_validation) from results.fold_models") == [(3, 34, 17)]


def test_a_killed_training_goes_on_with_what_is_missing(session):
    kept = ask(session, "select model_id from results.fold_models where fold <> 1 order by fold")
    with writing(session.home.working) as connection:
        connection.execute("delete from results.fold_models where fold = 1")
    assert training.train_folds(session).trained == 1
    assert ask(session, "select model_id from results.fold_models where fold <> 1 order by fold") == kept


def test_the_same_seed_gives_the_same_models_and_scores(session, tmp_path):
    other = session_of(tmp_path / "other", objects())
    training.train_folds(other)
    score(other, "results.predictions")
    query = "select object_id, fold, model_id, p_sn, p_slsn, p_tde from results.predictions order by all"
    assert ask(session, query) == ask(other, query)


def test_labelled_objects_are_scored_by_the_model_of_their_fold_and_untouched_ones_by_all(session):
    wrong = (
        "select * from results.predictions p join core.splits s using (object_id) where p.set = 'validation' and s.fold <> p.fold"
    )
    assert ask(session, wrong) == []
    assert ask(session, "select set, count(*) from results.predictions group by 1 order by 1") == [
        ("untouched", 3 * 12),
        ("validation", sum(COUNTS.values())),
    ]
    assert ask(session, "select * from results.predictions where abs(p_sn + p_slsn + p_tde - 1) > 1e-5") == []


def test_after_new_data_only_the_models_that_train_on_it_are_trained_and_status_says_how_far_they_are_behind(session):
    store(session, changed_objects(), split_rows(objects(), SETTINGS))
    with writing(session.home.working) as connection:
        behind = models.behind(connection, session.stages)
    assert (behind.n_models, behind.n_behind, behind.added, behind.changed, behind.removed) == (3, 3, 0, 1, 0)
    assert training.train_folds(session).trained == 2
    with writing(session.home.working) as connection:
        assert models.behind(connection, session.stages).n_behind == 0


def test_one_changed_object_changes_its_own_scores_only(session):
    store(session, changed_objects(), split_rows(objects(), SETTINGS))
    assert score(session) == {"results.predictions": 1, "results.metrics": 1}


def test_a_model_may_not_judge_what_it_was_trained_on_after_places_moved(session):
    moved = split_rows(objects(), SETTINGS).with_columns(fold=(pl.col("fold") + 1) % 3)
    moved = moved.with_columns(
        validation_of=pl.when(pl.col("fold").is_null())
        .then(pl.lit([], dtype=pl.List(pl.Int32)))
        .otherwise(pl.concat_list("fold"))
    )
    store(session, objects(), moved)
    score(session, "results.predictions")
    assert ask(session, "select count(*) from results.predictions where set = 'validation'") == [(0,)]
    [(reason,)] = ask(session, "select reason from core.rejections where stage = 'results.predictions' limit 1")
    assert "was trained on this object" in reason


def test_metrics_withhold_rates_of_few_untouched_objects_and_keep_those_of_validation(session):
    few = "select distinct reason from results.metrics where set = 'untouched' and metric = 'completeness_all' and class = 'TDE'"
    assert ask(session, few) == [("only 4 TDE in the untouched set, 10 needed; see validation",)]
    area = "metric = 'pr_area' and class = 'TDE' and aggregate = 'ensemble' and set = 'validation'"
    value, low, high, n = ask(session, f"select value, ci_low, ci_high, n from results.metrics where {area}")[0]
    assert 0 <= low <= value <= high <= 1
    assert n == COUNTS["TDE"]
    one = "select count(*) from results.metrics where metric = 'is_closest_to_mean' and set = 'validation'"
    assert ask(session, one) == [(1,)]


def test_more_synthetic_samples_than_drawn_is_an_error_with_the_remedy(session):
    with pytest.raises(TrainingError, match="set n_per_class = 50"):
        training.train_folds(session, ["metadata_upsampled_50"])
    with pytest.raises(UnknownAblationError, match="is no ablation"):
        ablation_named("masked_50")


def training_set(frame: pl.DataFrame) -> TrainingSet:
    rows = split_rows(frame).with_columns(row_hash=pl.col("object_id"))
    untouched = frozenset(rows.filter(pl.col("is_untouched"))["object_id"])
    synthetic = pl.DataFrame(
        schema={
            **dict.fromkeys(("model_kind", "label", "parents_hash", "light_curve_parent", "image_parent"), pl.String),
            **dict.fromkeys(("fold", "sample", "seed"), pl.Int64),
            **dict.fromkeys(HOSTED_FEATURES, pl.Float64),
        }
    )
    return TrainingSet(
        "id", rows.filter(~pl.col("is_untouched")), frame.select("object_id", *HOSTED_FEATURES), synthetic, untouched
    )


def test_small_classes_use_fewer_folds_or_are_left_out_and_it_is_said():
    frozen = training_set(objects({"SN": 30, "SLSN-I": 2, "TDE": 1}, n_untouched=0))
    jobs, refused = plan(frozen, [ablation_named("metadata")], SETTINGS)
    assert {job.classes for job in jobs} == {("SN", "SLSN-I")}
    assert {job.n_folds for job in jobs} == {2}
    said = " ".join(why.reason for why in refused)
    assert "does not know TDE" in said
    assert "uses 2 folds instead of 3" in said


def test_stamps_are_needed_for_models_that_look_at_them_and_it_is_said():
    jobs, refused = plan(training_set(objects()), [ablation_named("masked_upsampled")], SETTINGS)
    assert jobs == []
    assert [why.reason.split(" was not trained")[0] for why in refused] == ["NEEDLE-TH", "NEEDLE-T"]


def planted(tmp_path: Path, **changes: object) -> Task:
    """A task for one model, with something changed."""
    frozen = training_set(objects())
    job = plan(frozen, [ablation_named("metadata")], SETTINGS)[0][0]
    (tmp_path / "progress").mkdir()
    return replace(task_of(job, frozen, Frozen(tmp_path, {}, {}), SETTINGS), **changes)


def test_an_untouched_object_among_the_trained_ones_stops_the_training(tmp_path):
    task = planted(tmp_path)
    with pytest.raises(LeakError, match="are untouched and would be trained on"):
        train_tasks([replace(task, untouched=frozenset([task.job.trained[0]]))])


def test_a_synthetic_sample_with_a_parent_in_validation_stops_the_training(tmp_path):
    task = planted(tmp_path)
    with pytest.raises(LeakError, match="are parents of synthetic samples and would judge the model"):
        train_tasks([replace(task, parents=(Parents(task.job.trained[0], task.job.validated[0]),))])


def test_an_object_in_both_parts_stops_the_training(tmp_path):
    task = planted(tmp_path)
    with pytest.raises(LeakError, match="in the training part and in the validation part"):
        train_tasks([replace(task, job=replace(task.job, validated=task.job.trained[:1]))])


def test_a_stacked_model_says_the_mean_of_its_network_and_its_trees(tmp_path):
    task = planted(tmp_path)
    names = ("metadata", "trees", "stacked")
    tasks = [replace(task, job=replace(task.job, ablation=ablation_named(name))) for name in names]
    seen = pl.DataFrame(task.features[1], schema=list(HOSTED_FEATURES))
    network, trees, both = (
        glue.probabilities({**train_tasks([one])[0], "ablation": name}, seen, {}) for name, one in zip(names, tasks, strict=True)
    )
    np.testing.assert_allclose(both, (network + trees) / 2.0, atol=1e-9)


def test_the_alpha_of_a_model_follows_its_real_and_synthetic_counts_and_in_preset_paper_stays_table_4(tmp_path):
    task = planted(tmp_path)
    counts = np.bincount(task.y[0])
    shares = np.array(_loss(task).alpha) * counts
    np.testing.assert_allclose(shares / shares.sum(), (0.4, 0.3, 0.3))
    more = replace(task, y=(task.y[0], task.y[1], np.array([1] * 50)))
    assert _loss(more).alpha[1] / _loss(more).alpha[0] < _loss(task).alpha[1] / _loss(task).alpha[0]
    assert _loss(replace(task, settings=preset_settings("paper").training)).alpha == (0.02, 0.49, 0.49)


def test_networks_without_stamps_are_trained_together_and_trees_and_those_that_stop_early_alone(tmp_path):
    task = planted(tmp_path)
    grown = replace(task, job=replace(task.job, ablation=ablation_named("trees")))
    early = replace(task, settings=replace(task.settings, schedule="early_stopping"))
    assert [len(group) for group in together([task, grown, task, early])] == [1, 1, 2]


def test_trees_stand_beside_the_networks_in_scores_and_metrics(session):
    assert training.train_folds(session, ["trees"]).trained == 3
    score(session)
    query = "select count(*) from results.predictions where ablation = '{}'"
    assert ask(session, query.format("trees")) == ask(session, query.format("metadata"))
    area = "select value, ci_low, ci_high from results.metrics where ablation = 'trees' and metric = 'pr_area' and set = 'validation'"
    assert all(low <= value <= high for value, low, high in ask(session, area + " and aggregate = 'ensemble'"))
    assert ask(session, "select distinct ablation from results.metrics order by 1") == [("metadata",), ("trees",)]


def broken(session: Session) -> set[str]:
    """Names of the claims that some row breaks."""
    return {check.name for check, n in zip(CHECKS, tell.counts(session, [check.query for check in CHECKS]), strict=True) if n}


SOMEONE = "(select object_id from core.splits where {which} order by object_id limit 1)"
UNTOUCHED, IN_FOLD_0 = SOMEONE.format(which="is_untouched"), SOMEONE.format(which="fold = 0")
SYNTHETIC = (
    "insert into core.synthetic_samples by name select 'metadata' as model_kind, 0 as fold, 'TDE' as label, 0 as sample, 'g,r' as bands, "
    "{parent} as light_curve_parent, (select min(object_id) from core.splits where fold = 1) as image_parent, "
    "0.1 as light_curve_redshift, 0.1 as image_redshift, 1 as seed, 0 as rotation_deg, false as flip, 1 as n_attempts, "
    "1 as n_det_g, 1 as n_det_r, '' as parents_hash"
)
LEAKS = {
    "untouched_objects_have_no_part_in_a_model": [
        f"update results.fold_models set trained_ids = list_append(trained_ids, {UNTOUCHED}) where fold = 1",
        f"update results.fold_models set parent_ids = [{UNTOUCHED}] where fold = 1",
    ],
    "parents_are_in_the_training_part": [SYNTHETIC.format(parent=UNTOUCHED), SYNTHETIC.format(parent=IN_FOLD_0)],
    "validated_objects_train_nothing": [f"update results.fold_models set parent_ids = [{IN_FOLD_0}] where fold = 0"],
    "scalers_know_the_training_part_only": [
        "update results.fold_models set scaled_ids = trained_ids || validated_ids where fold = 2"
    ],
    "places_are_kept": [
        "update core.splits set fold = 1, validation_of = [1] where fold = 0",
        f"update core.splits set is_untouched = true, fold = null, validation_of = [] where object_id = {IN_FOLD_0}",
    ],
    "models_judge_what_they_were_not_trained_on": [
        "update results.predictions set model_id = (select model_id from results.fold_models where fold = 1) where fold = 0"
    ],
}


@pytest.mark.parametrize(("name", "statement"), [(name, text) for name, texts in LEAKS.items() for text in texts])
def test_each_leak_planted_in_a_warehouse_breaks_its_blocking_claim(session, name, statement):
    assert broken(session) == set()
    with writing(session.home.working) as connection:
        connection.execute(statement)
    assert name in broken(session)
    assert all(check.is_blocking for check in CHECKS if check.name in LEAKS)


def test_the_scaler_knows_nothing_of_validation_rows(tmp_path):
    task = planted(tmp_path)
    far = (task.features[0], task.features[1] + 1e6, task.features[2])
    (tmp_path / "b").mkdir()
    assert train_tasks([task])[0]["scaler"] == train_tasks([replace(task, features=far)])[0]["scaler"]


def test_attention_is_on_the_mask_of_the_same_object_and_untouched_ones_have_none(monkeypatch):
    names = ["ZTF18a", "ZTF18b", "ZTF18c", "ZTF18d"]
    stamps = {name: {"mask": (np.arange(3600) < 36 * 10**k).astype(np.uint8)} for k, name in enumerate(["ZTF18c", "ZTF18a"])}
    stamps |= {name: {"mask": np.zeros(3600, np.uint8)} for name in ("ZTF18b", "ZTF18d")}
    monkeypatch.setattr(glue, "attention_of", lambda _model, chosen, _stamps: np.ones((len(chosen), 60, 60)))
    judged = pl.DataFrame({"object_id": names, "is_untouched": [False, True, False, True]})
    assert glue._attention({}, judged, stamps) == [(0.1, 0.1), (None, None), (0.01, 0.01), (None, None)]
    assert glue._attention({}, judged[1:2], stamps) == [(None, None)]


def test_an_object_without_attention_has_no_fraction_but_an_area(monkeypatch):
    monkeypatch.setattr(glue, "attention_of", lambda _model, chosen, _stamps: np.zeros((len(chosen), 60, 60)))
    judged = pl.DataFrame({"object_id": ["ZTF18a"], "is_untouched": [False]})
    assert glue._attention({}, judged, {"ZTF18a": {"mask": np.ones(3600, np.uint8)}}) == [(None, 1.0)]


def test_simulated_objects_are_known_by_their_ids():
    assert is_simulated("ZTF18zzaaaaa")
    assert not is_simulated("ZTF22aagyuao")


def test_confounding_of_class_and_source_is_measured():
    assert association(["SN"] * 9 + ["TDE"] * 9, ["alert"] * 9 + ["forced"] * 9) == pytest.approx(1.0)
    assert association(["SN", "TDE"] * 8, list(np.repeat(["alert", "forced"], 8))) == 0.0
    assert association(["SN", "TDE"], ["alert", "alert"]) == 0.0
    assert association(["SN", "SN", "TDE"], ["alert", "forced", "forced"]) < 0.3
