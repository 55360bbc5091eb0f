"""A run holds its home from when it needs it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from yaml import YAMLError

from needle_assets.home import Home
from needle_assets.orchestration import local
from needle_assets.orchestration.running import held_when_needed
from needle_assets.warehouse.connection import DamagedWarehouseError, WarehouseError


def test_a_home_is_held_from_the_first_use_of_its_session_to_the_end() -> None:
    told: list[str] = []

    @contextmanager
    def working() -> Iterator[object]:
        told.append("opened")
        yield told
        told.append("closed")

    with held_when_needed(working):
        pass
    assert told == []
    with held_when_needed(working) as held:
        told.append("asked services")
        assert held.session is held.session
    assert told == ["asked services", "opened", "closed"]


def test_the_first_sentence_of_ours_is_told_and_not_what_lies_below_it():
    below = SimpleNamespace(message="_duckdb.IOException: IO Error: Corrupt database file", cause=None)
    ours = SimpleNamespace(message=f"{DamagedWarehouseError.__module__}.DamagedWarehouseError: use `needle restore`", cause=below)
    step = SimpleNamespace(message="dagster.StepError: a step failed", cause=ours)
    assert local._sentence(local._cause(step)) == "use `needle restore`"
    assert local._sentence(local._cause(SimpleNamespace(message="dagster.StepError: x", cause=below))) == below.message


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (sqlite3.OperationalError("disk I/O error"), "nothing is lost. Free some space if none is left. They only show"),
        (sqlite3.OperationalError("database or disk is full"), "nothing is lost. Free some space, then run"),
        (sqlite3.DatabaseError("file is not a database"), r"only show what happened: .* or move .*dagster away, then run"),
        (YAMLError("line 1"), r"dagster.yaml cannot be used \(line 1\); mend it, or remove it"),
    ],
)
def test_records_of_dagster_that_cannot_be_used_are_told_with_their_own_remedy(tmp_path, error, said) -> None:
    with pytest.raises(WarehouseError, match=said), local._storage_explained(Home(tmp_path)):
        raise error
