"""A home made with other descriptions: its rows come through, nothing is computed that need not be, and there is a copy of before."""

import dataclasses
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from needle_assets.home import Home
from needle_assets.pipeline import plan, read_landing, tell
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES, Stage
from needle_assets.warehouse import dictionary, schema
from needle_assets.warehouse.connection import WarehouseError, writing
from needle_assets_tests.folders import refreshed
from needle_assets_tests.folders import rows as published_rows
from needle_assets_tests.homes import environment_of

Described = Callable[..., Path]


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Described:
    """Use other descriptions from here on: files of tables and views by name, each with (pattern, replacement), None to leave it out."""

    def changed(**edits: Sequence[str] | None) -> Path:
        folder = tmp_path / f"sql{len(list(tmp_path.glob('sql*')))}"
        shutil.copytree(schema.sql_folder(), folder, ignore=shutil.ignore_patterns(".state", "*.duckdb*", "landing"))
        for name, edit in edits.items():
            path = next(folder.glob(f"*/{name.replace('__', '.')}.sql"))
            text = path.read_text(encoding="utf-8")
            if edit is None:
                path.unlink()
            else:
                assert re.search(edit[0], text), f"{name} holds no {edit[0]}"
                path.write_text(re.sub(edit[0], edit[1], text, flags=re.MULTILINE), encoding="utf-8")
        monkeypatch.setattr(schema, "sql_folder", lambda: folder)
        return folder

    return changed


def opened(home: Home, stages: Sequence[Stage] = STAGES) -> Session:
    return Session(home, home.settings(), workers=1, stages=stages).open()


def rows(home: Home, query: str) -> list[tuple]:
    with writing(home.working) as connection:
        return connection.execute(query).fetchall()


def stale(session: Session) -> set[str]:
    return plan.stale(session).keys() - {stage.table for stage in STAGES if stage.is_on_demand}


ADDED = (r"(n_rising_r integer.*)\n", r"\1,\n    n_extra integer check (n_extra >= 0)\n")


def test_an_added_column_keeps_the_rows_and_makes_only_its_product_and_those_below_stale(own, described):
    home = own[1]
    before = rows(home, "select * from core.epochs order by all")
    described(core__epochs=ADDED)
    session = opened(home)
    assert rows(home, "select * exclude (n_extra) from core.epochs order by all") == before
    assert stale(session) == {"core.epochs"}


def test_a_changed_schema_is_published_by_the_same_refresh_and_the_log_holds_none_of_it(own, described):
    home = own[1]
    described(core__epochs=ADDED)
    session = opened(home)
    with duckdb.connect(str(home.working), read_only=True) as directly:
        assert "n_extra" in schema.columns_of(directly, "core.epochs")
    assert session.publish()
    assert not session.publish()


def test_a_home_of_older_descriptions_is_refreshed_and_published_and_then_idle(own, described):
    home = own[1]
    described(core__epochs=ADDED)
    assert "core/epochs" in refreshed(home)
    assert published_rows(home, "select count(*) from core.epochs where n_extra is null")[0][0] > 0
    assert refreshed(home) == {}


def test_a_removed_column_goes_and_the_other_columns_stay(own, described):
    home = own[1]
    before = rows(home, "select * exclude (peak_mjd) from core.epochs order by all")
    described(core__epochs=(r"\n    peak_mjd double,|\ncomment on column core\.epochs\.peak_mjd.*", ""))
    opened(home)
    assert rows(home, "select * from core.epochs order by all") == before


def test_a_retyped_column_keeps_its_values(own, described):
    home = own[1]
    before = rows(home, "select object_id, n_rising_g::varchar from core.epochs order by all")
    described(core__epochs=(r"n_rising_g integer not null check \(n_rising_g >= 0\)", "n_rising_g varchar not null"))
    opened(home)
    assert rows(home, "select object_id, n_rising_g from core.epochs order by all") == before


def test_a_check_that_the_rows_meet_keeps_them_and_one_that_they_break_computes_them_anew(own, described):
    home, n_rows = own[1], len(rows(own[1], "from core.epochs"))
    described(core__epochs=(r"peak_mjd double,", "peak_mjd double check (peak_mjd > 0),"))
    opened(home)
    assert len(rows(home, "from core.epochs")) == n_rows > 0
    described(core__epochs=(r"peak_mjd > 0", "peak_mjd < 0"))
    session = opened(home)
    assert rows(home, "from core.epochs") == []
    assert rows(home, "from lineage.ledger where asset = 'core.epochs'") == []
    assert len(plan.stale(session)["core.epochs"]) >= n_rows


def test_a_new_table_and_a_new_view_appear_and_nothing_is_stale(own, described):
    home = own[1]
    folder = described()
    (folder / "tables" / "core.news.sql").write_text("create table core.news (\n    object_id varchar primary key\n);\n")
    (folder / "views" / "core.seen.sql").write_text("create view core.seen as select object_id from core.news;\n")
    session = opened(home)
    assert rows(home, "from core.seen") == []
    assert stale(session) == set()


def test_a_changed_view_shows_the_new_columns_and_one_that_is_left_out_goes(own, described):
    home = own[1]
    described(
        core__objects=(r"(?s).+", "create view core.objects as select object_id, 1 as one from raw.objects;"),
        lineage__ancestors=None,
    )
    session = opened(home)
    assert rows(home, "select min(one) from core.objects") == [(1,)]
    assert rows(home, "select count(*) from duckdb_views() where view_name = 'ancestors'") == [(0,)]
    assert stale(session) == set()


RENAMED_COLUMN = (
    r"\bpeak_mjd( double,)?",
    lambda found: "brightest_mjd" + (f"{found[1]} -- formerly peak_mjd" if found[1] else ""),
)


def read_as(stages: Sequence[Stage], table: str, old: str, new: str) -> tuple[Stage, ...]:
    def names(stage: Stage) -> Stage:
        columns = tuple(new if name == old else name for name in stage.reads.get(table, ()))
        return dataclasses.replace(stage, reads={**stage.reads, table: columns}) if columns else stage

    return tuple(names(stage) for stage in stages)


def test_a_renamed_column_keeps_rows_hashes_and_ledger(own, described):
    home, hashes = own[1], "select asset, object_id, content_hash from lineage.contents order by all"
    before = rows(home, "select object_id, peak_mjd from core.epochs order by all"), rows(home, hashes)
    described(core__epochs=RENAMED_COLUMN)
    session = opened(home, read_as(STAGES, "core.epochs", "peak_mjd", "brightest_mjd"))
    assert (rows(home, "select object_id, brightest_mjd from core.epochs order by all"), rows(home, hashes)) == before
    assert stale(session) == set()
    assert rows(home, "from lineage.contents where contains(columns, 'peak_mjd')") == []


def test_a_renamed_column_hashes_as_before_when_its_rows_are_stored_again(own, described):
    home, hashes = (
        own[1],
        "select object_id, columns, content_hash from lineage.contents where asset = 'core.epochs' order by all",
    )
    described(core__epochs=RENAMED_COLUMN)
    stages = read_as(STAGES, "core.epochs", "peak_mjd", "brightest_mjd")
    opened(home, stages)
    before = rows(home, hashes)
    with writing(home.working) as connection:
        connection.execute("delete from lineage.contents where asset = 'core.epochs' and columns <> '*'")
    opened(home, stages)
    assert rows(home, hashes) == before


# Its first name stands in the description already; the fingerprint goes by that one.
RENAMED_KEY = (
    r"\bobject_id( varchar[^,\n]*, -- formerly ztf_id)?",
    lambda found: "name_id" + (f"{found[1]}, object_id" if found[1] else ""),
)


def test_a_renamed_key_keeps_the_rows_and_the_fingerprint_of_the_table(own, described):
    home, digest = own[1], schema.read_tables()["core.epochs"].digest
    before = rows(home, "select * from core.epochs order by all")
    described(core__epochs=RENAMED_KEY)
    assert schema.read_tables()["core.epochs"].digest == digest
    opened(home, ())
    assert rows(home, "select * from core.epochs order by all") == before


def renamed_table(folder: Path, old: str, new: str) -> None:
    text = (folder / "tables" / f"{old}.sql").read_text(encoding="utf-8").replace(old, new)
    (folder / "tables" / f"{old}.sql").unlink()
    (folder / "tables" / f"{new}.sql").write_text(
        text.replace(f"create table {new} (", f"create table {new} ( -- formerly {old}")
    )


def test_a_renamed_table_keeps_rows_hashes_and_ledger_and_is_told_again(own, described):
    home = own[1]
    before = rows(home, "select * from core.epochs order by all")
    renamed_table(described(), "core.epochs", "core.moments")
    stages = tuple(
        dataclasses.replace(
            stage,
            table="core.moments" if stage.table == "core.epochs" else stage.table,
            reads={parent.replace("core.epochs", "core.moments"): columns for parent, columns in stage.reads.items()},
        )
        for stage in STAGES
    )
    session = opened(home, stages)
    assert rows(home, "select * from core.moments order by all") == before
    assert stale(session) == set()
    assert rows(home, "from duckdb_tables() where table_name = 'epochs'") == []
    assert len(tell.untold(session, stages[[s.table for s in stages].index("core.moments")])) == len(
        read_landing.objects(session)
    )
    assert rows(home, "from lineage.ancestors where ancestor = 'core.epochs'") == []


def test_a_column_that_no_old_row_has_takes_the_value_that_its_description_gives(own, described):
    home = own[1]
    described(
        core__splits=(r"    label varchar", "    supernova varchar not null, -- if absent: object_id || '?'\n    label varchar")
    )
    opened(home)
    assert rows(home, "select supernova = object_id || '?' from core.splits group by 1") in ([(True,)], [])


def test_models_and_nights_are_never_dropped_by_a_description_they_do_not_fit(own, described):
    home = own[1]
    with writing(home.working) as connection:
        connection.execute("insert into lineage.nights values ('a', now(), null, 1, [], 1, 1, [], 1, [], 0, 0, 0, [], null)")
    described(lineage__nights=(r"n_left integer not null", "n_left integer not null check (n_left > 0)"))
    with pytest.raises(WarehouseError, match="stays as it was"):
        opened(home)
    assert rows(home, "select run_id from lineage.nights") == [("a",)]


def test_every_column_is_found_in_the_statement_of_its_table():
    for name, columns in dictionary.column_comments().items():
        if name in (tables := schema.read_tables()):
            assert schema.column_names(tables[name]) == [column[0] for column in columns]


def test_the_home_is_copied_before_its_schema_changes_and_only_then(own, described):
    home = own[1]
    opened(home)
    assert not home.backups.exists()
    described(core__epochs=ADDED)
    opened(home)
    (copy,) = home.backups.glob("before-upgrade-*.duckdb")
    with duckdb.connect(str(copy), read_only=True) as before:
        assert "n_extra" not in schema.columns_of(before, "core.epochs")
    assert copy.stat().st_ino == home.published.stat().st_ino, "what is published already is not copied again"


NIGHT = "insert into lineage.nights values ('a', now(), null, 1, [], 1, 1, [], 1, [], 0, 0, 0, [], null)"
CHANGES = {
    "core__epochs": ADDED,
    "core__light_curves": (
        r"\bn_merged\b( \w+ not null .*,?$)?",
        lambda found: (
            "n_joined" + (found[1] or "").replace("n_merged", "n_joined") + (" -- formerly n_merged" if found[1] else "")
        ),
    ),
    "core__joined_light_curves": (r"l\.n_merged", "l.n_joined"),
    "lineage__nights": (r"    seconds double,", "    seconds double,\n    weather varchar not null, -- if absent: 'unknown'"),
    "core__stamps": (r"(?s)^(.*?)\n\);", "\\1,\n    extra boolean\n);"),
}
WHAT_CAME_THROUGH = (
    "select object_id, first_mjd, n_extra from core.epochs order by all",
    "select count(*), sum(n_joined) from core.light_curves",
    "select run_id, weather from lineage.nights",
    "select count(*), bit_xor(hash(candid, science)) from core.stamps",
    "select asset, columns, object_id, content_hash from lineage.contents order by all",
    "select view_name from duckdb_views() where not internal order by all",
)


def migrate(home: Home, folder: Path, n: int, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Migrate in a process of its own, killed at a statement or after some time."""
    command = [sys.executable, "-m", "needle_assets_tests.migrating", str(folder), str(n)]
    with subprocess.Popen(
        command, env=environment_of(home.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            said = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            said = child.communicate()
    return subprocess.CompletedProcess(command, child.returncode, *said)


def came_through(home: Home) -> list[list[tuple]]:
    return [rows(home, query) for query in WHAT_CAME_THROUGH]


def copy_of(home: Home, folder: Path) -> Home:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(home.path, folder)
    return Home(folder)


def assert_killed_and_finished(home: Home, folder: Path, wanted: list[list[tuple]]) -> None:
    """The next command ends what the killed one began: nothing lost, one copy of before, no leftovers, and it can be published."""
    session = opened(home)
    assert came_through(home) == wanted
    assert rows(home, "from duckdb_tables() where contains(table_name, '_kept')") == []
    (copy,) = home.backups.glob("*")
    with duckdb.connect(str(copy), read_only=True) as before:
        assert "n_extra" not in schema.columns_of(before, "core.epochs")
        assert "weather" not in schema.columns_of(before, "lineage.nights")
    assert session.publish()


@pytest.fixture
def undisturbed(own, described, tmp_path) -> tuple[Home, Path, list[list[tuple]], int, float]:
    """A home with a night that was not published, other descriptions, what a whole migration leaves, its statements and seconds."""
    home = own[1]
    with writing(home.working) as connection:
        connection.execute(NIGHT)
        schema.bump_change(connection)
    folder = described(**CHANGES)
    whole, started = copy_of(home, tmp_path / "whole"), time.monotonic()
    done = migrate(whole, folder, 0)
    assert done.returncode == 0, done.stderr
    return home, folder, came_through(whole), int(done.stdout.replace("-", "")), time.monotonic() - started


def test_a_migration_killed_between_two_statements_is_finished_by_the_next_command(undisturbed, tmp_path):
    home, folder, wanted, n_statements, _ = undisturbed
    assert wanted[2] == [("a", "unknown")]
    assert wanted[3][0][0] > 0
    for n in (n_statements // 8, n_statements // 4):
        killed = copy_of(home, tmp_path / "killed")
        assert migrate(killed, folder, n).returncode == -signal.SIGKILL
        assert_killed_and_finished(killed, folder, wanted)


@pytest.mark.slow
def test_a_migration_killed_at_many_statements_and_moments_is_finished_by_the_next_command(undisturbed, tmp_path):
    home, folder, wanted, n_statements, seconds = undisturbed
    for n in (*range(1, 80, 4), n_statements // 2, n_statements - 1):
        killed = copy_of(home, tmp_path / "killed")
        assert migrate(killed, folder, n).returncode == -signal.SIGKILL
        assert_killed_and_finished(killed, folder, wanted)
    for k in range(20):
        killed = copy_of(home, tmp_path / "killed")
        migrate(killed, folder, 0, seconds * (0.5 + k / 40))
        assert came_through_or_old(killed, folder, wanted)


def came_through_or_old(home: Home, folder: Path, wanted: list[list[tuple]]) -> bool:
    """However far the process came before it was killed."""
    opened(home)
    return came_through(home) == wanted


@pytest.mark.slow
def test_a_migration_killed_again_and_again_is_finished_in_the_end(undisturbed):
    home, folder, wanted, _, _ = undisturbed
    for n in (9, 14, 25, 40, 60):
        migrate(home, folder, n)
    assert_killed_and_finished(home, folder, wanted)
