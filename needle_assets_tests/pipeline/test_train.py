"""`needle train` as people use it: on a small home with stamps, from the command line, from Dagster, and the night after."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from needle_assets.cli import command as cli
from needle_assets.cli.querying import run_sql_of_past as ask_of_past
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.errors import WarehouseError
from needle_assets.exports.importing import import_training_set
from needle_assets.exports.training_set import export_training_set
from needle_assets.home import Home
from needle_assets.orchestration.jobs.training import train_job
from needle_assets.orchestration.records import pictures
from needle_assets.pipeline import train as training
from needle_assets.pipeline.again import metrics_again
from needle_assets.pipeline.session import RefreshError, Session
from needle_assets.report import page as report
from needle_assets.samples.ablations import ablation_named
from needle_assets.simulation import simulate
from needle_assets.warehouse.connection import writing
from needle_assets_tests.folders import refreshed, rows, send_again
from needle_assets_tests.homes import ask, instance_of, last_event

N_OBJECTS = 22
MIX = {"SN": 0.4, "SLSN-I": 0.25, "TDE": 0.25, "other": 0.1}
SETTINGS = """\
[splits]
n_folds = 2
[synthetic]
n_per_class = 3
[training]
ablations = ["unmasked", "masked_upsampled", "metadata"]
deployed = ["masked_upsampled", "metadata"]
epochs = 2
[metrics]
n_bootstrap = 20
"""
SCORES = "select object_id, ablation, model_kind, fold, p_sn, p_slsn, p_tde from results.predictions order by all"

Run = Callable[..., dict]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing folder and a home refreshed from it, in which nothing was trained yet; the newest packet has not landed."""
    folder = tmp_path_factory.mktemp("ready")
    simulate(folder / "landing", objects=N_OBJECTS, seed=8, mix=MIX, workers=1)
    home = Home(folder / "home").prepare()
    home.settings_file.write_text(SETTINGS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "OBJECTS_PER_RUN", 0)
        run_refresh(home, RefreshOptions(landing=folder / "landing", workers=1))
    return folder


@pytest.fixture(scope="module")
def trained(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """The same after `needle train`, and what that printed."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(ready, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
    Home(folder / "home").remember_landing(folder / "landing")
    return folder, train(folder / "home")


@pytest.fixture
def folder(trained: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained home and its landing folder that a test may change."""
    monkeypatch.setattr(pictures, "OBJECTS_PER_RUN", 0)
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    Home(tmp_path / "home").remember_landing(tmp_path / "landing")
    return tmp_path


def train(home: Path, *options: str) -> dict:
    """`needle train --json` in this process; returns what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setenv("NEEDLE_HOME", str(home))
        patch.setattr(pictures, "OBJECTS_PER_RUN", 0)
        patch.setattr(cli.typer, "echo", lambda text, **_: printed.append(text))
        cli.main(["train", "--json", "--workers", "1", *options])
    return json.loads(printed[-1])


def test_training_says_what_it_trained_and_why_something_was_not(trained):
    home, said = Home(trained[0] / "home"), trained[1]
    kinds = dict(rows(home, "select ablation || ' ' || model_kind, count(*) from results.fold_models group by 1"))
    assert {"unmasked TH", "masked_upsampled TH", "metadata metadata"} <= kinds.keys()
    assert (said["trained"], said["up_to_date"]) == (sum(kinds.values()), 0)
    assert last_event(home, "results.fold_models").metadata["trained"].value == said["trained"], (
        "the page of the asset says it too"
    )
    assert "every score is of simulated objects" in said["warnings"]
    for sentence in said["not_trained"]:
        assert any(word in sentence for word in ("was not trained", "does not know", "uses", "no synthetic samples"))
    assert rows(home, "select distinct reason from core.rejections where stage = 'results.fold_models' order by 1") == [
        (sentence,) for sentence in sorted(said["not_trained"])
    ]


def test_a_training_brings_scores_metrics_and_judgements_of_the_sample_up_to_date(trained):
    computed = {name for name, done in trained[1]["assets"].items() if done["computed"]}
    assert {"results/predictions", "results/metrics", "results/feature_importance", "results/realism"} <= computed
    assert rows(Home(trained[0] / "home"), "select count(*) > 0, bool_and(is_simulated) from results.metrics") == [(True, True)]


def test_the_report_shows_where_networks_look_and_how_synthetic_samples_compare(trained, tmp_path, monkeypatch):
    wanted = ("Light curves of the classes", "Figure 16: synthetic samples", "Figure 12: attention")
    monkeypatch.setattr(report, "SECTIONS", [section for section in report.SECTIONS if section[0] in wanted])
    text = report.write_report(Home(trained[0] / "home").published, tmp_path).read_text(encoding="utf-8")
    for part in (
        "Where the last convolution looks",
        "the Gaussian process through them",
        "Can a classifier tell synthetic samples",
    ):
        assert part in text
    assert "Everything on this page rests on SIMULATED objects" in text


def test_a_second_training_trains_and_scores_nothing(folder):
    said = train(folder / "home")
    assert (said["trained"], said["up_to_date"]) == (0, len(rows(Home(folder / "home"), "from results.fold_models")))
    assert not any(done["computed"] for done in said["assets"].values())


def test_metrics_of_a_past_training_are_computed_again_from_what_they_were_computed_from(folder):
    home = Home(folder / "home")
    then = rows(home, "select distinct training_set_id from results.fold_models")[0][0]
    auc = "select value from results.metrics where metric = 'pr_area' order by all"
    before = ask_of_past(home, then, auc)
    with writing(home.working) as connection:
        connection.execute("update core.splits set label = 'SN'")
        connection.execute("update results.predictions set p_sn = 1, p_slsn = 0, p_tde = 0")
        connection.execute("delete from results.metrics")
    assert metrics_again(home, then).metrics > 100
    assert metrics_again(home, then).differing == 0
    assert ask_of_past(home, then, auc) == before
    with pytest.raises(WarehouseError, match=then):
        metrics_again(home, "no such id")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_predictions_with_stamps(trained, ready, tmp_path):
    shutil.copytree(ready, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    train(tmp_path / "home")
    expected = rows(Home(trained[0] / "home"), SCORES)
    assert {row[2] for row in expected} >= {"TH", "metadata"}
    assert rows(Home(tmp_path / "home"), SCORES) == expected


def test_another_seed_of_training_gives_other_models_of_the_same_samples(folder):
    home = Home(folder / "home")
    synthetic = "select md5(string_agg(seed::varchar, ',' order by all)) from core.synthetic_samples"
    before, samples = rows(home, SCORES), rows(home, synthetic)
    home.settings_file.write_text(SETTINGS.replace("epochs = 2", "epochs = 2\nseed = 1"), encoding="utf-8")
    assert train(home.path, "--ablations", "metadata")["trained"] == 2
    assert rows(home, SCORES) != before
    assert rows(home, synthetic) == samples


def test_a_snapshot_takes_over_the_models_that_it_would_train_again_and_no_others(folder):
    home, known = Home(folder / "home"), "select model_id, ablation, fold, fingerprint from results.fold_models order by 1"
    first, *others = rows(home, known)
    ablation, same = ablation_named(first[1]), {"model_kind": "metadata" if first[1] == "metadata" else "TH", "fold": first[2]}
    with writing(home.working) as connection:
        connection.execute(
            "insert into results.training_sets by name select * replace ('new' as training_set_id) from results.training_sets"
        )
    jobs = [SimpleNamespace(ablation=ablation, fingerprint=first[3], **same)]
    training._adopt(Session(home, home.settings()), jobs, SimpleNamespace(training_set_id="new"))
    assert ask(home.working, "select model_id from results.fold_models where training_set_id = 'new'") == [(first[0],)]
    assert len(others) > 0


def test_how_far_a_training_is_counts_the_epochs_of_all_models(tmp_path):
    for name, told in {"a": "3 6", "b": "6 6", "c": "", "d": "1"}.items():
        (tmp_path / name).write_text(told)
    assert training._epochs_done(tmp_path, n_models=5, n_epochs=30) == (15 + 30, 150)


def test_one_new_packet_and_a_refresh_train_nothing_and_score_that_object_only(folder):
    home = Home(folder / "home")
    someone, path = _newest_packet(home)
    others = f"from lineage.contents where asset in ('results.predictions', 'results.candidates') and object_id <> '{someone}'"
    models = "select model_id, trained_at from results.fold_models order by 1"
    before, known = rows(home, f"{others} order by all"), rows(home, models)
    send_again(folder / "landing" / path)
    done = refreshed(home)
    assert done["raw/alerts"] == 1
    assert {name: n for name, n in done.items() if name.startswith("results/") and n > 1} == {}
    assert rows(home, f"{others} order by all") == before
    assert rows(home, models) == known


def _newest_packet(home: Home) -> tuple[str, str]:
    query = (
        "select object_id, path from raw.alerts join core.splits using (object_id) where has_good_pair order by jd desc limit 1"
    )
    object_id, path = rows(home, query)[0]
    return str(object_id), str(path)


def test_a_planted_leak_stops_the_run_that_would_judge_by_it(folder):
    home = Home(folder / "home")
    with writing(home.working) as connection:
        connection.execute("update results.fold_models set scaled_ids = trained_ids || validated_ids")
    with pytest.raises(RefreshError, match="rows break the claim “Scaler, imputer and feature weights of a model were fitted"):
        refreshed(home, recompute=("results/predictions",))


def test_what_cannot_be_trained_is_refused_in_one_line(folder, capsys, monkeypatch):
    monkeypatch.setenv("NEEDLE_HOME", str(folder / "home"))
    for arguments, sentence in (
        (["train", "--ablations", "masked_50"], "is no ablation; choose among"),
        (["train", "--ablations", "masked_upsampled_50"], "set n_per_class = 50"),
        (["train", "stars"], "'stars' cannot be trained"),
    ):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        assert sentence in capsys.readouterr().err


def test_the_job_train_trains_what_is_asked_for_and_tells_dagster(folder, monkeypatch):
    home = Home(folder / "home")
    monkeypatch.setenv("NEEDLE_HOME", str(home.path))
    with instance_of(home.path) as instance:
        config = {"ops": {"folds": {"config": {"ablations": ["metadata", "metadata_upsampled"]}}}}
        result = train_job().execute_in_process(instance=instance, run_config=config)
        assert result.success
        told = next(e for e in result.all_events if e.is_step_materialization and "fold_models" in str(e.asset_key))
        assert told.materialization.metadata["trained"].value == 2
    assert rows(home, "select count(*) from results.predictions where ablation = 'metadata_upsampled'")[0][0] > 0


@pytest.mark.slow
def test_a_home_of_the_exported_training_set_trains_to_the_same_metrics(trained, tmp_path):
    home, other = Home(trained[0] / "home"), Home(tmp_path / "imported")
    export_training_set(home.published, home.settings(), tmp_path / "set")
    import_training_set(other, tmp_path / "set")
    said = train(other.path)
    assert (said["trained"], said["training_set_id"]) == (trained[1]["trained"], trained[1]["training_set_id"])
    for query in (SCORES, "select * from results.metrics order by all", "select model_id from results.fold_models order by 1"):
        assert str(rows(other, query)) == str(rows(home, query))
    assert train(other.path)["trained"] == 0
