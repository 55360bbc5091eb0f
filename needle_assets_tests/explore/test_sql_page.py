"""Queries of a page: answered with limits, plotted, downloaded; and nothing but reading."""

from pathlib import Path

import pytest

from needle_assets.home import Home
from needle_assets.warehouse.pages import asking
from needle_assets_tests.explore.conftest import Ask


def test_a_query_is_answered_plotted_and_downloaded(ask: Ask) -> None:
    query = "select 1.5 as a, 2.5 as b union all select 3, 4 order by 1"
    answer = ask("/sql", "POST", data={"text": query})
    assert "2 rows" in answer.text
    assert 'data-figure="plot-data"' in answer.text
    assert ask("/sql", "POST", data={"text": query, "as": "csv"}).text == "a,b\n1.5,2.5\n3.0,4.0\n"


@pytest.mark.parametrize(
    "query",
    [
        "create table memory.x (a integer)",
        "insert into lineage.objects values ('x', now())",
        "attach '{folder}/other.duckdb'",
        "copy (select 1) to '{folder}/written.csv'",
        "select * from read_csv('/etc/passwd')",
        "select 1; select 2",
        "set memory_limit = '9GB'",
        "install httpfs",
        "",
    ],
)
def test_what_is_not_reading_is_refused(query: str, filled: tuple[Path, Home], tmp_path: Path) -> None:
    answer = asking.ask(filled[1].published, query.format(folder=tmp_path))
    assert answer.problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", ["select count(*) from range(100000000000000)", "select length(repeat('x', 3000000000))"])
def test_what_takes_too_long_or_too_much_is_ended(query: str, filled: tuple[Path, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 6)
    assert "ended" in (problem := asking.ask(filled[1].published, query).problem) or "memory" in problem.lower()


def test_a_long_answer_is_cut(filled: tuple[Path, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asking.ask(filled[1].published, "select * from range(50000)")
    assert answer.is_cut
    assert len(answer.rows) == asking.MAX_ROWS
    monkeypatch.setattr(asking, "SECONDS", 0)
    assert "ended after 0 s" in asking.ask(filled[1].published, "select 1").problem


def test_a_link_asks_nothing_and_tables_are_explained(ask: Ask) -> None:
    page = ask("/sql", params={"text": "select 42 as asked_already"}).text
    assert "select 42 as asked_already" in page
    assert 'class="scroll answer"' not in page
    assert "core.light_curves" in page
    assert "ZTF object id" in page
    assert "candidate_ranking" in ask("/sql?named=candidates").text
