"""Queries of a page: answered with limits, plotted, downloaded; and nothing but reading."""

from pathlib import Path

import pytest

from needle_assets.home import Home
from needle_assets.warehouse import dictionary, exploring
from needle_assets.warehouse.pages import asking
from needle_assets.warehouse.pages.asking import Asker
from needle_assets_tests.explore.conftest import Ask


def test_a_query_is_answered_plotted_and_downloaded(ask: Ask) -> None:
    query = "select 1.5 as a, 2.5 as b union all select 3, 4 order by 1"
    answer = ask("/sql", "POST", data={"text": query})
    assert "2 rows" in answer.text
    assert 'data-figure="plot-data"' in answer.text
    assert ask("/sql", "POST", data={"text": query, "as": "csv"}).text == "a,b\n1.5,2.5\n3.0,4.0\n"


NOT_READING = (
    "create table memory.x (a integer)",
    "create temp table x as select 1",
    "insert into lineage.objects values ('x', now())",
    "explain analyze delete from lineage.objects",
    "attach '{folder}/other.duckdb'",
    "detach needle",
    "copy (select 1) to '{folder}/written.csv'",
    "explain analyze copy (select 1) to '{folder}/written.csv'",
    "export database '{folder}/written'",
    "from query('copy (select 1) to ''{folder}/written.csv'' ')",
    "select 1; select 2",
    "set memory_limit = '9GB'",
    "call enable_logging(storage = 'file', storage_path = '{folder}/log')",
    "install httpfs",
    "load httpfs",
    "select st_point(1, 1)",
    "from sqlite_scan('/etc/passwd', 'x')",
    "create secret (type s3)",
    "import database '/etc'",
    "",
    "-- nothing",
)
OTHER_FILES = (
    *(
        f"from {name}('/etc/passwd')"
        for name in ("read_csv", "read_text", "read_blob", "read_json", "sniff_csv", "glob", "read_duckdb")
    ),
    "from '/etc/passwd'",
    "from read_parquet('https://127.0.0.1/x.parquet')",
    "from json_execute_serialized_sql(json_serialize_sql('from read_text(''/etc/passwd'')'))",
    "select getenv('HOME')",
    "from arrow_scan(1::pointer, 2::pointer, 3::pointer)",
    "from query",  # a name of ours in Python
)


@pytest.mark.parametrize("query", [*NOT_READING, *OTHER_FILES])
def test_what_is_not_reading_the_warehouse_is_refused(query: str, filled: tuple[Path, Home], tmp_path: Path) -> None:
    with pytest.raises(exploring.QueryError) as error:
        exploring.ask_few(filled[1].published, query.format(folder=tmp_path), 10, asking.READING)
    assert "root:" not in str(error.value)
    assert "No such file" not in str(error.value), "it was looked for"
    assert list(tmp_path.iterdir()) == []


TALKING = (
    "from enable_logging(level = 'trace', storage = 'stdout')",
    "from enable_logging(level = 'trace', storage = 'file', storage_path = '{folder}/log')",
    "from enable_profiling(save_location = '{folder}/profile.json', format = 'json')",
)


@pytest.mark.parametrize("query", TALKING)
def test_what_the_database_would_say_of_itself_is_lost(query: str, filled: tuple[Path, Home], tmp_path: Path) -> None:
    answer = Asker(filled[1].published).ask(query.format(folder=tmp_path))
    assert answer.rows == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_question_that_needs_more_memory_leaves_no_file(filled: tuple[Path, Home]) -> None:
    with pytest.raises(exploring.QueryError, match=r"(?i)memory"):
        exploring.ask_few(
            filled[1].published, "select * from range(20000) order by repeat(range::varchar, 100000)", 1, asking.READING
        )
    assert not list(filled[1].path.glob("*.tmp"))


@pytest.mark.parametrize("query", ["select count(*) from range(100000000000000)", "select length(repeat('x', 3000000000))"])
def test_what_takes_too_long_or_too_much_is_ended(query: str, filled: tuple[Path, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 6)
    assert "ended" in (problem := Asker(filled[1].published).ask(query).problem) or "memory" in problem.lower()


def test_a_long_answer_is_cut(filled: tuple[Path, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Asker(filled[1].published).ask("select * from range(50000)")
    assert answer.is_cut
    assert len(answer.rows) == asking.MAX_ROWS
    monkeypatch.setattr(asking, "SECONDS", 0)
    assert "ended after 0 s" in Asker(filled[1].published).ask("select 1").problem


def test_a_link_asks_nothing_and_tables_are_explained(ask: Ask) -> None:
    page = ask("/sql", params={"text": "select 42 as asked_already"}).text
    assert "select 42 as asked_already" in page
    assert 'class="scroll answer"' not in page
    assert "core.light_curves" in page
    assert dictionary.table_comments()["core.light_curves"][:30] in page
    assert "candidate_ranking" in ask("/sql?named=candidates").text


def test_the_next_question_finds_a_process_that_waits(filled: tuple[Path, Home]) -> None:
    asker = Asker(filled[1].published)
    asker.prepare()
    (first,) = asker._waiting
    assert asker.ask("select 1").rows == [[1]]
    (second,) = asker._waiting
    assert first.returncode == 0
    assert second.poll() is None
    del asker
    assert second.returncode == -9
