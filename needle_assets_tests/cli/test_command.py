"""The command line: what it prints, what it refuses and with which sentence and exit code."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from needle_assets.cli import command as cli
from needle_assets.home import Home
from needle_assets.pipeline.session import RefreshError
from needle_assets_tests.homes import TABLES, environment_of

ASSETS = [table.replace(".", "/") for table in TABLES]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing was done yet."""
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of one command in this process."""
    code = 0
    try:
        cli.main([str(argument) for argument in arguments])
    except SystemExit as left:
        code = left.code
    return code, *capsys.readouterr()


def refused(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 1) -> str:
    """The one line with which a command refuses."""
    left, out, error = run(capsys, *arguments)
    assert (left, out) == (code, "")
    assert error.startswith("needle: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


def test_a_refresh_without_landing_folder_says_how_to_name_one(empty, capsys) -> None:
    assert "--landing FOLDER" in refused(capsys, "refresh")


def test_a_landing_folder_that_is_none_is_refused(empty, capsys, tmp_path) -> None:
    assert "is not a folder" in refused(capsys, "refresh", "--landing", tmp_path / "nowhere")


def test_a_landing_folder_needs_a_catalogue(empty, capsys, tmp_path) -> None:
    (tmp_path / "landing" / "alerts").mkdir(parents=True)
    assert "holds no bts.csv" in refused(capsys, "refresh", "--landing", tmp_path / "landing")


@pytest.mark.parametrize("command", ["refresh", "status"])
def test_an_unknown_setting_is_named(home, capsys, command) -> None:
    (home / "settings.toml").write_text("[light_curves]\nmerge_window_dayz = 1.0\n")
    assert "'merge_window_dayz' is not a setting; known here are merge_window_days" in refused(capsys, command)


def test_another_preset_in_the_same_home_is_refused_with_the_remedy(home, capsys) -> None:
    error = refused(capsys, "refresh", "--preset", "paper")
    assert all(word in error for word in ("'default'", "'paper'", "NEEDLE_HOME"))


def test_an_unknown_preset_is_refused_and_binds_nothing(empty, capsys, tmp_path) -> None:
    assert "choose one of default, paper" in refused(capsys, "refresh", "--preset", "papier")
    assert not (empty / ".state" / "preset").exists()


@pytest.mark.parametrize("option", ["--select", "--recompute"])
def test_an_unknown_product_is_refused_with_those_that_exist(home, capsys, option) -> None:
    error = refused(capsys, "refresh", option, "core/mask")
    assert "'core/mask' is no product" in error
    assert "core.stamps" in error


@pytest.mark.parametrize("command", ["refresh", "status"])
def test_a_damaged_database_is_named(home, capsys, command) -> None:
    Home(home).working.write_bytes(b"this is no database" * 1000)
    error = refused(capsys, command)
    assert str(Home(home).working) in error
    assert "cannot be read" in error


def test_a_damaged_published_file_is_replaced_by_the_next_refresh(home, capsys) -> None:
    Home(home).published.chmod(0o644)
    Home(home).published.write_bytes(b"this is no database" * 1000)
    assert "cannot be read" in refused(capsys, "sql", "select 1")
    assert run(capsys, "refresh")[0] == 0
    assert run(capsys, "sql", "--csv", "select count(*) as n from raw.objects")[1].startswith("n\n")


@pytest.mark.parametrize("arguments", [["status"], ["sql", "select 1"]])
def test_an_empty_home_says_what_fills_it(empty, capsys, arguments) -> None:
    assert "needle refresh --landing FOLDER" in refused(capsys, *arguments)


@pytest.mark.parametrize("arguments", [["refresh", "--nonsense"], ["refine"], ["refresh", "--workers", "0"]])
def test_a_mistyped_command_is_one_line_and_exit_code_2(empty, capsys, arguments) -> None:
    refused(capsys, *arguments, code=2)


def test_debug_shows_the_traceback(empty, capsys) -> None:
    with pytest.raises(RefreshError, match="no landing folder yet"):
        cli.main(["--debug", "refresh"])
    cli._state["debug"] = False


def test_an_idle_refresh_prints_the_agreed_json(home, capsys) -> None:
    code, out, error = run(capsys, "refresh", "--json")
    result = json.loads(out)
    assert (code, error) == (0, "")
    assert {"objects", "new_objects", "assets", "published", "seconds"} <= result.keys()
    assert list(result["assets"]) == ASSETS
    assert all({"computed", "up_to_date", "rejected", "seconds"} <= done.keys() for done in result["assets"].values())
    assert sum(done["computed"] for done in result["assets"].values()) == 0
    assert result["published"] == str(home / "needle.duckdb")


def test_selected_products_bring_what_they_need(home, capsys) -> None:
    result = json.loads(run(capsys, "refresh", "--json", "--select", "core/epochs")[1])
    assert {"core/epochs", "core/light_curves", "core/detections", "raw/alerts", "raw/objects"} <= result["assets"].keys()
    assert "core/stamps" not in result["assets"]


def test_status_prints_the_agreed_json(home, capsys) -> None:
    code, out, _ = run(capsys, "status", "--json")
    result = json.loads(out)
    assert code == 0
    assert {"objects", "stale", "missing", "rejections", "behind"} <= result.keys()
    assert list(result["stale"]) == list(result["missing"]) == ASSETS
    assert set(result["stale"].values()) == set(result["missing"].values()) == {0}


def test_status_counts_what_other_settings_make_stale(home, capsys) -> None:
    (home / "settings.toml").write_text("[epochs]\ndays_after_peak = 7.0\n")
    result = json.loads(run(capsys, "status", "--json")[1])
    stale = {name for name, count in result["stale"].items() if count}
    assert "core/epochs" in stale
    assert result["stale"]["core/epochs"] == result["objects"]
    assert not stale & {"core/detections", "core/stamps", "core/light_curves"}


def test_sql_prints_a_table_csv_and_json(home, capsys) -> None:
    query = "select 'ZTF' as id, 1.5 as mag"
    assert run(capsys, "sql", query)[1] == "id   mag\n---  ---\nZTF  1.5\n(1 row)\n"
    assert run(capsys, "sql", "--csv", query)[1] == "id,mag\nZTF,1.5\n"
    assert json.loads(run(capsys, "sql", "--json", query)[1])[0]["id"] == "ZTF"


def test_json_and_csv_hold_nothing_that_is_no_json_or_no_number(home, capsys) -> None:
    query = (
        "select 'nan'::double as a, '-inf'::float as b, [1.5, 'nan'::double] as c, {'d': date '2024-02-25', 'e': 'inf'::double} as f, "
        "map([date '2024-02-25'], [1]) as g, 1.25::decimal(4, 2) as h, 12345678901234567890.123::decimal(38, 3) as i, 'z'::blob as j, "
        "timestamp '2024-02-25 10:00:00' as k, true as l, null as m, interval 1 day as n, 'infinity'::timestamp as o, 2 as a"
    )
    (row,) = json.loads(run(capsys, "sql", "--json", query)[1], parse_constant=pytest.fail)
    assert list(row.values()) == [
        *(None, None, [1.5, None], {"d": "2024-02-25", "e": None}, {"2024-02-25": 1}, 1.25, "12345678901234567890.123", "7a"),
        *("2024-02-25T10:00:00", True, None, "1 day, 0:00:00", None, 2),
    ]
    assert list(row)[::13] == ["a", "a_2"]
    header, line = csv.reader(run(capsys, "sql", "--csv", query)[1].splitlines())
    assert line[:4] == ["", "", "[1.5, null]", '{"d": "2024-02-25", "e": null}']
    assert line[4:] == [
        *(
            '{"2024-02-25": 1}',
            "1.25",
            "12345678901234567890.123",
            "7a",
            "2024-02-25T10:00:00",
            "true",
            "",
            "1 day, 0:00:00",
            "",
            "2",
        )
    ]
    assert header[0] == header[-1] == "a"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sql", "select 1", "-f", "query.sql"], "two queries"),
        (["sql", "--json", "--csv", "select 1"], "both given"),
        (["sql", "-f", "nowhere.sql"], "or the name of one of these: attention, "),
        (["refresh", "--select", ","], "names nothing"),
        (["refresh", "--recompute", ""], "names nothing"),
        (["train", "--ablations", ""], "names nothing"),
        (["train", "quality", "--ablations", "masked"], "is for `needle train folds`"),
    ],
)
def test_what_would_be_ignored_is_refused(home, capsys, arguments, said) -> None:
    assert said in refused(capsys, *arguments, code=2)


def test_what_is_to_be_recomputed_is_recomputed_beside_what_is_selected(home, capsys) -> None:
    code, out, _ = run(capsys, "refresh", "--json", "--select", "raw/objects", "--recompute", "core/upper_limits")
    result = json.loads(out)
    assert code == 0
    assert result["assets"]["core/upper_limits"]["computed"] == result["objects"] > 0
    assert result["assets"]["raw/objects"]["computed"] == 0
    assert "core/masks" not in result["assets"]


def test_a_query_may_begin_with_a_comment_but_not_be_one(home, capsys) -> None:
    assert run(capsys, "sql", "--csv", "-- how many\nselect 1 as n")[1] == "n\n1\n"
    for nothing in ("", "-- how many", ";"):
        assert "no query in it" in refused(capsys, "sql", nothing)


def test_sql_reads_a_query_from_a_file(home, capsys, tmp_path) -> None:
    (tmp_path / "q.sql").write_text("select count(*) as n from raw.objects;")
    assert run(capsys, "sql", "--csv", "-f", tmp_path / "q.sql")[1].startswith("n\n")


def test_sql_knows_its_own_queries_by_name_without_a_checkout(home, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("nights", "nights.sql", "warehouse/queries/nights.sql"):
        assert run(capsys, "sql", "--csv", "-f", name)[1].startswith("started_at,")
    (tmp_path / "nights").write_text("select 1 as own")
    assert run(capsys, "sql", "--csv", "-f", "nights")[1] == "own\n1\n"


WRITES = [
    "insert into raw.objects select * from raw.objects",
    "update raw.objects set object_id = 'x'",
    "delete from raw.objects",
    "drop table raw.objects",
    "create table raw.mine (a integer)",
    "create view raw.mine as select 1",
    "alter table raw.objects add column a integer",
    "checkpoint; force checkpoint; create table raw.mine (a integer)",
]
ESCAPES = [
    "attach '{folder}/other.duckdb' as other",
    "attach '{folder}/home/.state/working.duckdb' as working",
    "copy raw.objects to '{folder}/out.csv'",
    "export database '{folder}/out'",
    "select * from read_csv('{folder}/secret.csv')",
    "select * from '{folder}/secret.csv'",
    "select * from read_text('{folder}/secret.csv')",
    "select * from glob('{folder}/*')",
    "install httpfs",
    "load httpfs",
    "load '{folder}/extension.duckdb_extension'",
    "set enable_external_access = true",
    "pragma enable_external_access",
    "set lock_configuration = false",
    "reset enable_external_access",
    "set temp_directory = '{folder}/out'",
    "set allowed_directories = ['{folder}']",
    "pragma enable_profiling = 'json'; pragma profiling_output = '{folder}/out.json'; select 1",
    "set secret_directory = '{folder}/out'",
    "create persistent secret s (type s3)",
]


@pytest.mark.parametrize("query", WRITES)
def test_sql_users_cannot_write(home, capsys, query) -> None:
    before = Home(home).published.read_bytes()
    refused(capsys, "sql", query)
    assert Home(home).published.read_bytes() == before


@pytest.mark.parametrize("query", ESCAPES)
def test_sql_users_reach_no_other_file(home, capsys, query, tmp_path) -> None:
    (tmp_path / "secret.csv").write_text("password\nhunter2\n")
    before = sorted(tmp_path.iterdir())
    assert "hunter2" not in refused(capsys, "sql", query.format(folder=tmp_path))
    assert sorted(tmp_path.iterdir()) == before


def test_the_published_file_may_only_be_read(home) -> None:
    assert Home(home).published.stat().st_mode & 0o777 == 0o444


IDLE = """
import json, sys
from needle_assets.cli import command as cli
cli.main(sys.argv[1:])
print(json.dumps([name for name in ("dagster", "torch", "pandas", "matplotlib", "astropy", "scipy") if name in sys.modules]))
"""


@pytest.mark.parametrize("command", ["refresh", "status"])
def test_an_idle_command_imports_neither_dagster_nor_torch(home, command) -> None:
    child = [sys.executable, "-c", IDLE, command, "--json"]
    done = subprocess.run(child, env=environment_of(home), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
