"""A run holds its home from when it needs it."""

from collections.abc import Iterator
from contextlib import contextmanager

from needle_assets.orchestration.running import held_when_needed


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
