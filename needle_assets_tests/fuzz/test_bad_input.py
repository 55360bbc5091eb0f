"""Many cases of every kind of bad input: refused with a reason or accepted into its table, in bounded time, nothing written."""

import pytest

from needle_assets_tests.fuzz.running import KINDS, MAX_SECONDS, Kind, as_table, run_kind, sound_packets, survey_from_environment

N_CASES_FAST, N_CASES_SLOW = 30, 500


def _hold(kind: Kind, n_cases: int, seed: int, folder) -> None:
    tally = run_kind(kind, n_cases, seed, folder, sound_packets(survey_from_environment()))
    print(as_table([tally]))
    assert tally.crashes == []
    assert tally.slowest_seconds < MAX_SECONDS
    assert tally.n_neither == 0
    assert kind.may_be_accepted or tally.n_refused == n_cases


def test_there_are_at_least_a_dozen_kinds_with_names_of_their_own():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 12


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_bad_input_is_refused_and_never_crashes(kind, tmp_path):
    _hold(kind, 5 if kind.name == "archive bomb" else N_CASES_FAST, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_500_cases_of_bad_input_are_refused_and_never_crash(kind, tmp_path):
    _hold(kind, N_CASES_SLOW, 2, tmp_path)
