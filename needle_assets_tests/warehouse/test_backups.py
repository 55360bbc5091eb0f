"""Nothing that no input brings back is lost: what replaces a published file, what a missing or damaged working file says, the way back."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest

from needle_assets.cli.restoring import copies, run_restore
from needle_assets.cli.verbs import RefreshOptions, read_status, run_refresh
from needle_assets.home import Home
from needle_assets.pipeline.session import Session
from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import WarehouseError, reading, writing
from needle_assets.warehouse.copies import backups, losses
from needle_assets.warehouse.results import models
from needle_assets_tests.homes import ask, needle

NIGHT = "insert into lineage.nights values ('night', now(), null, 1, [], 1, 1, [], 1, [], 0, 0, 0, [], null)"
MODEL = (
    "insert into results.fold_models by name select 'm' as model_id, 'masked' as ablation, 'TH' as model_kind, 0 as fold, 5 as n_folds, "
    "[] as folds, [] as classes, 's' as training_set_id, 'f' as fingerprint, 1 as n_training, 0 as n_synthetic, 1 as n_validation, "
    "[] as trained_ids, [] as validated_ids, [] as parent_ids, [] as scaled_ids, 1 as seed, ''::blob as weights, '{}' as scaler, "
    "[] as feature_weights, [] as history_training_loss, [] as history_validation_loss, 1 as best_epoch, 1 as n_shown, 1 as seconds, "
    "'cpu' as device, true as is_bit_exact, '{}' as settings, now() as trained_at"
)
SNAPSHOT = (
    "insert into results.training_sets by name select 's' as training_set_id, 'ZTF18abcdefg' as object_id, 'SN' as label, "
    "[] as validation_of, 'r' as rule, 'h' as row_hash"
)


def score(mjd: float, object_id: str = "ZTF18abcdefg") -> str:
    return (
        f"insert into results.candidates by name select '{object_id}' as object_id, {mjd} as as_of_mjd, 'masked' as ablation, "
        "'TH' as model_kind, 1 as n_models, 'x' as model_set, 1 as p_sn, 0 as p_slsn, 0 as p_tde, "
        "0 as p_slsn_std, 0 as p_tde_std, 1 as days_since_first, "
        "1 as n_det_g, 1 as n_det_r, [] as outside_range, false as is_simulated"
    )


def change(home: Home, *statements: str) -> None:
    with writing(home.working) as connection:
        for statement in statements:
            connection.execute(statement)
        schema.bump_change(connection)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home without objects, published once with a model, its training set, a night and two scores."""
    home = Home(tmp_path_factory.mktemp("made") / "home").prepare()
    opened = session(home)
    change(home, NIGHT, MODEL, SNAPSHOT, score(59000), score(59010))
    assert opened.publish()
    return home


@pytest.fixture
def small(made: Home, tmp_path: Path) -> Home:
    """A copy of it that a test may change."""
    shutil.copytree(made.path, tmp_path / "home")
    return Home(tmp_path / "home")


def session(home: Home, **how: bool) -> Session:
    return Session(home, home.settings(), **how).open()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("lineage.nights", "1 nights"),
        ("results.fold_models", "1 trained classifiers"),
        ("results.candidates", "2 scores of candidates"),
        ("results.training_sets", "1 snapshots of training sets"),
    ],
)
def test_a_published_file_is_not_replaced_by_one_that_lost_rows_no_input_brings_back(small, table, words):
    change(small, f"delete from {table}")
    before = small.published.read_bytes()
    with pytest.raises(WarehouseError, match=f"was not replaced: it holds {words}.*--accept-loss"):
        session(small).publish()
    assert small.published.read_bytes() == before
    assert session(small, accept_loss=True).publish()
    assert ask(small.published, f"select count(*) from {table}") == [(0,)]


def test_rows_that_took_the_place_of_others_are_no_loss(small):
    newer = MODEL.replace("'m' as model_id", "'n' as model_id").replace("'s' as training", "'t' as training")
    change(
        small, "delete from results.fold_models", newer, "delete from results.training_sets", SNAPSHOT.replace("'s'", "'t'", 1)
    )
    change(small, "delete from results.candidates where as_of_mjd = 59010", score(59005))
    assert session(small).publish()


def test_an_older_score_that_goes_though_only_a_later_one_came_is_a_loss(small):
    change(small, "delete from results.candidates", score(59020))
    with pytest.raises(WarehouseError, match="2 scores"):
        session(small).publish()


def test_models_removed_by_a_training_are_no_loss(small):
    with writing(small.working) as connection:
        models.remove_models(connection, ["m"], ())
    assert session(small).publish()


def test_what_is_lost_is_found_in_a_published_file_with_older_names_and_fewer_tables(small, monkeypatch):
    old = small.published.with_name("old.duckdb")
    shutil.copyfile(small.published, old)
    with duckdb.connect(str(old)) as connection:
        connection.execute("alter table lineage.nights rename column run_id to run; drop table results.training_sets")
    described = schema.read_tables()
    nights = schema.Table("lineage.nights", described["lineage.nights"].create, "", (), {"run_id": ("run",)})
    monkeypatch.setattr(schema, "read_tables", lambda: {**described, "lineage.nights": nights})
    with writing(small.working) as connection:
        connection.execute("delete from lineage.nights; delete from results.training_sets")
        assert losses.lost(connection, old) == ["1 nights"]


def wipe(home: Home) -> None:
    home.working.unlink()


def empty(home: Home) -> None:
    home.working.write_bytes(b"")


def cut(home: Home) -> None:
    home.working.write_bytes(home.working.read_bytes()[: -(1 << 18)])


def cut_within_its_head(home: Home) -> None:
    home.working.write_bytes(home.working.read_bytes()[:5000])


def scribble(home: Home) -> None:
    home.working.write_bytes(b"this is no database" * 1000)


def spoil_the_log(home: Home) -> None:
    change(home, "create table core.more as select range from range(1000)")
    log = home.working.with_name("working.duckdb.wal")
    log.write_bytes(log.read_bytes()[:200] + b"x" * 200 + log.read_bytes()[400:])


def make_anew(home: Home) -> None:
    home.working.unlink()
    with writing(home.working) as connection:
        connection.execute("create schema raw")


DAMAGE = [wipe, empty, cut, cut_within_its_head, scribble, spoil_the_log, make_anew]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_working_file_says_in_one_sentence_how_to_go_back_and_restore_goes_back(small, damage):
    damage(small)
    for look in (lambda: session(small), lambda: read_status(small)):
        with pytest.raises(WarehouseError, match="needle restore") as error:
            look()
        assert "\n" not in str(error.value)
    result = run_restore(small, None)
    assert (result["models"], result["nights"], result["restored"]) == (1, 1, str(small.published))
    assert not session(small).publish(), "the published file and the restored one hold the same"
    assert ask(small.working, "select count(*) from results.candidates") == [(2,)]


@pytest.mark.parametrize("damage", [wipe, cut_within_its_head, spoil_the_log])
def test_who_accepts_the_loss_begins_anew_and_the_old_published_file_is_kept(small, damage):
    damage(small)
    assert session(small, accept_loss=True).publish()
    assert ask(small.published, "select count(*) from results.fold_models") == [(0,)]
    (kept,) = small.backups.glob("needle-*.duckdb")
    assert run_restore(small, Path(kept.name))["models"] == 1


def test_a_missing_working_file_is_a_new_home_where_nothing_was_published(tmp_path):
    home = Home(tmp_path / "home").prepare()
    session(home)
    assert home.working.exists()


def published_again(home: Home, n_times: int) -> Iterable[int]:
    for n in range(n_times):
        change(home, f"insert into lineage.nights values ('{n}', now(), null, 1, [], 1, 1, [], 1, [], 0, 0, 0, [], null)")
        yield home.published.stat().st_ino
        assert session(home).publish()


def test_the_last_published_files_are_kept_without_being_copied_and_older_ones_go(small):
    inodes = list(published_again(small, 5))
    kept = backups.listed(small.backups)
    assert [path.stat().st_ino for path in kept] == inodes[:1:-1]
    assert [ask(path, "select count(*) from lineage.nights")[0][0] for path in kept] == [5, 4, 3]


def test_the_setting_says_how_many_are_kept(small):
    small.settings_file.write_text("[publishing]\nkept = 1\n")
    list(published_again(small, 3))
    assert len(backups.listed(small.backups)) == 1
    small.settings_file.write_text("[publishing]\nkept = 0\n")
    list(published_again(small, 1))
    assert backups.listed(small.backups) == []


def test_old_published_files_make_room_for_the_new_one(small, monkeypatch):
    list(published_again(small, 3))
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    backups.make_room(small.backups, 1)
    assert backups.listed(small.backups) == []


def test_an_older_copy_is_published_only_when_its_lack_of_later_rows_is_accepted(small):
    list(published_again(small, 1))
    (kept,) = backups.listed(small.backups)
    result = run_restore(small, Path(kept.name))
    assert result["nights"] == 1
    assert Path(result["replaced"]).exists()
    with pytest.raises(WarehouseError, match="it holds 1 nights"):
        session(small).publish()
    assert session(small, accept_loss=True).publish()


def test_what_a_restore_replaced_can_be_restored_with_its_log(small):
    change(small, NIGHT.replace("'night'", "'later'"))
    assert small.working.with_name("working.duckdb.wal").exists()
    replaced = Path(run_restore(small, None)["replaced"])
    assert run_restore(small, replaced)["nights"] == 2


@pytest.mark.parametrize("damage", ["nothing there", "no warehouse", "cut", "bits"])
def test_a_copy_that_is_not_whole_is_refused_and_nothing_changes(small, damage, tmp_path):
    copy, before = tmp_path / "copy.duckdb", small.working.read_bytes()
    if damage == "no warehouse":
        duckdb.connect(str(copy)).close()
    elif damage != "nothing there":
        whole = bytearray(small.published.read_bytes())
        for place in range(3 * 4096 + 100, len(whole), 1 << 18):
            whole[place] ^= damage == "bits"
        copy.write_bytes(whole[:-5000] if damage == "cut" else whole)
    with pytest.raises(WarehouseError, match=r"is no file|no whole warehouse"):
        run_restore(small, copy)
    assert small.working.read_bytes() == before


def test_two_homes_with_as_many_changes_are_told_apart(small, tmp_path):
    other = Home(tmp_path / "other").prepare()
    session(other)
    with writing(small.working) as ours, writing(other.working) as theirs:
        schema._remember(theirs, "change", str(schema.change_number(ours)))
        assert schema.change(ours) != schema.change(theirs)


def test_the_command_line_lists_what_can_be_restored_and_restores_it(small):
    list(published_again(small, 1))
    wipe(small)
    refused = needle(small.path, "refresh")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is missing or empty; `needle restore` takes" in refused.stderr
    listed = json.loads(needle(small.path, "restore", "--list", "--json").stdout)
    assert [entry["kind"] for entry in listed] == ["published", "published before"]
    assert "1 models, 2 nights" in needle(small.path, "restore").stdout
    assert [entry["file"] for entry in copies(small)] == [entry["file"] for entry in listed]


def test_a_refresh_after_a_restore_brings_back_what_came_since(own):
    home = own[1]
    shutil.copy(home.published, home.path / "mine.duckdb")
    wipe(home)
    run_restore(home, home.path / "mine.duckdb")
    result = run_refresh(home, RefreshOptions(workers=1))
    assert not any(done["computed"] for done in result["assets"].values())
    with reading(home.published) as connection:
        assert connection.execute("select count(*) from raw.alerts").fetchone() > (0,)
