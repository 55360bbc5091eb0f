"""A run holds its home from when it needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from needle_assets.orchestration import local
from needle_assets.orchestration.running import held_when_needed
from needle_assets.warehouse.connection import DamagedWarehouseError


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
