"""A home made from an exported training set: the same rows, and nothing lands there that would empty it."""

import shutil
import tomllib

import pytest

from needle_assets.cli.verbs import RefreshOptions, read_status, run_refresh
from needle_assets.exports.folder import ExportError
from needle_assets.exports.importing import as_toml, import_training_set
from needle_assets.home import Home
from needle_assets.pipeline.run_stage import refresh_stage
from needle_assets.pipeline.session import RefreshError, Session
from needle_assets.settings import PRESETS, as_nested_dict, preset_settings, read_settings
from needle_assets.stages import IMPORTED, IMPORTED_STAGES, stage_named
from needle_assets_tests.folders import rows


@pytest.fixture
def imported(exported, tmp_path) -> Home:
    home = Home(tmp_path / "imported")
    import_training_set(home, exported)
    return home


def hashes(home: Home) -> set:
    tables = ", ".join(f"'{table}'" for table in IMPORTED)
    return set(
        rows(home, f"select c.* from lineage.contents c semi join core.splits using (object_id) where asset in ({tables})")
    )


def test_a_new_home_holds_what_was_exported_bit_by_bit(imported, filled):
    assert hashes(imported) == hashes(filled[1])
    assert rows(imported, "select * from core.synthetic_samples order by all") == rows(
        filled[1], "select * from core.synthetic_samples order by all"
    )


def test_what_can_be_computed_there_is_what_a_training_brings(imported):
    assert [stage.table for stage in IMPORTED_STAGES] == [
        *("results.feature_importance", "results.realism", "results.predictions", "results.metrics", "results.early_metrics")
    ]
    assert set(read_status(imported)["stale"].values()) == {0}


def test_packets_are_not_read_into_it_and_nothing_of_it_is_computed_from_none(imported, filled):
    with pytest.raises(RefreshError, match="holds an imported training set: it trains and reports"):
        run_refresh(imported, RefreshOptions(landing=filled[0], workers=1))
    session = Session(imported, imported.settings())
    with pytest.raises(RefreshError, match=r"core.features is not computed.*imported training set"):
        refresh_stage(session, stage_named("core.features"), tell=lambda *_: None, run_id="r")
    assert hashes(imported) == hashes(filled[1])


def test_a_home_in_use_is_not_filled(own, exported):
    with pytest.raises(ExportError, match="is in use"):
        import_training_set(own[1], exported)


def test_a_folder_that_is_no_export_leaves_no_home(tmp_path, exported):
    with pytest.raises(ExportError, match="is no export; give the folder of an exported training set"):
        import_training_set(Home(tmp_path / "home"), tmp_path)
    shutil.copytree(exported, tmp_path / "set")
    (tmp_path / "set" / "stamps" / "part-00000.parquet").unlink()
    with pytest.raises(ExportError, match=r"stamps/part-00000.parquet is missing"):
        import_training_set(Home(tmp_path / "home"), tmp_path / "set")
    assert not (tmp_path / "home").exists()


def test_what_fails_half_way_leaves_the_home_new(tmp_path, exported, monkeypatch):
    monkeypatch.setattr("needle_assets.exports.importing.models.training_set_id", lambda _: "another")
    home = Home(tmp_path / "home")
    with pytest.raises(ExportError, match="is not the training set that was exported"):
        import_training_set(home, exported)
    monkeypatch.undo()
    import_training_set(home, exported)
    assert rows(home, "select count(*) > 0 from core.features") == [(True,)]


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_come_back_from_a_file(preset, tmp_path):
    settings = preset_settings(preset)
    (tmp_path / "settings.toml").write_text(as_toml(as_nested_dict(settings)), encoding="utf-8")
    assert read_settings(tmp_path / "settings.toml") == settings


def test_text_in_settings_is_written_as_toml_reads_it():
    given = {"preset": 'say "Äh\\"', "a": {"b": [1, 2.5e-7, True], "c": {"d": "x\ny"}, "e": None}}
    assert tomllib.loads(as_toml(given)) == {"preset": given["preset"], "a": {"b": [1, 2.5e-7, True], "c": {"d": "x\ny"}}}
