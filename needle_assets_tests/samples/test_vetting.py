"""What speaks against an object before any model is asked."""

from dataclasses import replace

import pytest

from needle_assets.samples.vetting import REASONS, Evidence, reasons
from needle_assets.settings import VettingSettings

LIMITS = VettingSettings()
# A supernova two weeks old in a galaxy, as ZTF's packets tell of it.
ORDINARY = Evidence(
    n_epochs=9,
    age_days=14.0,
    days_since_peak=3.0,
    negative_fraction=0.0,
    source_star_score=0.05,
    source_separation_arcsec=0.8,
    source_mag=17.2,
    bright_star_separation_arcsec=60.0,
    bright_star_mag=11.0,
    history_days=14.0,
    n_earlier_detections=12,
    real_bogus=0.8,
    deep_real_bogus=0.999,
)


def against(**changed: object) -> set[str]:
    return set(reasons(replace(ORDINARY, **changed), LIMITS))


def test_nothing_speaks_against_an_ordinary_supernova_nor_against_what_nobody_knows():
    assert against() == set()
    assert reasons(Evidence(n_epochs=2), LIMITS) == {}


@pytest.mark.parametrize(
    ("reason", "at_the_limit", "beyond"),
    [
        ("is_on_star", {"source_star_score": 0.75}, {"source_star_score": 0.77}),
        ("is_on_star", {"source_star_score": 0.99, "source_separation_arcsec": 1.6}, {"source_star_score": 0.99}),
        ("is_on_star", {"source_star_score": 0.5}, {"source_star_score": 0.5, "source_mag": 13.0}),
        ("is_near_bright_star", {"bright_star_separation_arcsec": 21.0}, {"bright_star_separation_arcsec": 19.0}),
        ("is_near_bright_star", {"bright_star_mag": 13.0}, {"bright_star_separation_arcsec": 5.0}),
        ("has_history", {"history_days": 200.0}, {"history_days": 201.0}),
        ("has_history", {"history_days": 900.0, "n_earlier_detections": 9}, {"history_days": 900.0}),
        ("is_fading_often", {"negative_fraction": 0.2}, {"negative_fraction": 0.25}),
        ("is_bogus", {"deep_real_bogus": 0.5}, {"deep_real_bogus": 0.49}),
        ("is_bogus", {"real_bogus": 0.1}, {"real_bogus": 0.1, "deep_real_bogus": None}),
        ("is_moving", {"solar_system_arcsec": 11.0}, {"solar_system_arcsec": 2.0}),
        ("is_old", {"age_days": 100.0}, {"age_days": 101.0}),
        ("is_past_peak", {"days_since_peak": 10.0}, {"days_since_peak": 11.0}),
        ("has_few_detections", {"n_epochs": 2}, {"n_epochs": 1}),
    ],
)
def test_each_reason_begins_where_its_setting_says(reason, at_the_limit, beyond):
    assert against(**at_the_limit) == set()
    assert against(**beyond) == {reason}
    assert reason in REASONS


def test_a_reason_says_what_was_measured():
    told = reasons(replace(ORDINARY, source_star_score=0.98, age_days=477.0), LIMITS)
    assert told == {
        "is_on_star": "a star of 17.2 mag within 0.8 arcsec (score 0.98)",
        "is_old": "477 d since its first detection",
    }
