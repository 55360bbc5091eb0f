"""Mutants are made where something is computed, those made by hand still fit the code, and tests are found by the path."""

from pathlib import Path

import pytest

from needle_assets_tests.mutants.__main__ import GLUE, ROOT, SCIENCE, mapped_tests, modules, wilson
from needle_assets_tests.mutants.making import by_hand, equivalents, mutant_at, places_of

SOURCE = """
@dataclass(frozen=True)
class Limits:
    largest: float | None = 2.0

def outside(values: list[int | str], *, limit=Limits.largest) -> int | None:
    return min(values) if limit and values[0] > limit else -1
"""
EXPECTED = {
    "largest: float | None = 3.0",
    "largest: float | None = 1.0",
    "return max(values) if limit and values[0] > limit else -1",
    "return min(values) if limit or values[0] > limit else -1",
    "return min(values) if limit and values[0] >= limit else -1",
    "return min(values) if limit and values[0] <= limit else -1",
    "return min(values) if limit and values[0] > limit else 1",
}


@pytest.fixture
def mutants(tmp_path: Path) -> list[str]:
    (tmp_path / "made.py").write_text(SOURCE)
    return [" ".join(mutant_at(tmp_path, place).after.split()) for place in places_of(tmp_path, "made.py")]


def test_signs_numbers_conditions_and_opposites_are_mutated(mutants):
    assert set(mutants) >= EXPECTED


def test_type_hints_decorators_and_the_star_of_named_arguments_are_left_alone(mutants):
    assert not [
        text for text in mutants if "frozen=False" in text or "float & None" in text or "int & str" in text or "/, limit" in text
    ]


def test_mutants_made_by_hand_fit_the_code_and_change_it():
    assert all(mutant.before != mutant.after for mutant in by_hand(ROOT)) > 0


@pytest.mark.parametrize("name", equivalents())
def test_what_is_said_to_be_equivalent_is_a_line_of_the_code_and_says_why(name):
    path, before, _ = name
    lines = [" ".join(line.split()) for line in (ROOT / path).read_text(encoding="utf-8").splitlines()]
    assert before in lines
    assert equivalents()[name]


@pytest.mark.parametrize("area", [*SCIENCE, *GLUE])
def test_every_area_has_modules_and_most_of_them_tests_of_their_own(area):
    found = [bool(mapped_tests(path)) for path in modules(area)]
    assert sum(found) > 0.4 * len(found) > 0


def test_the_interval_of_wilson_by_hand():
    assert wilson(8, 10) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert wilson(0, 0) == (0.0, 1.0)
