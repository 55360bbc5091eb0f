"""A night's summary says of every candidate that it names what speaks against it."""

import datetime as dt

import duckdb

from needle_assets.pipeline.night import as_markdown, as_text
from needle_assets.warehouse import schema
from needle_assets.warehouse.results import nights
from needle_assets_tests.pipeline.test_send import FIRST, SECOND, THIRD, score

NAMES = (
    "is_on_star, is_near_bright_star, has_history, is_fading_often, is_bogus, is_moving, is_old, is_past_peak, has_few_detections"
)


def vetted(object_id: str, *reasons: str) -> str:
    flags = ", ".join(f"false as {name}" for name in NAMES.split(", "))
    return (
        f"insert into core.vetting by name select '{object_id}' as object_id, {flags}, {list(reasons)} as reasons, 2 as n_epochs, "
        "1 as age_days, 0 as days_since_peak"
    )


def night_of(*statements: str) -> dict:
    with duckdb.connect() as connection:
        schema.apply(connection)
        nights.begin(connection, "run", dt.datetime(2026, 1, 1), ["bts"], failures=[], n_left=0)
        for statement in statements:
            connection.execute(statement)
        nights.end(connection, "run", n_computed=1, failures=[])
        return nights.night(connection, "run") or {}


def test_each_new_high_score_stands_with_what_speaks_against_it():
    star = "a star of 15.0 mag within 0.2 arcsec"
    vetting = [vetted(SECOND, star, "1 detection"), vetted(THIRD)]
    row = night_of(score(FIRST, 0.9), score(SECOND, 0.8), score(THIRD, 0.7), score("ZTF21ddddddd", 0.1), *vetting)
    assert (row["new_high_scores"], row["against"]) == ([FIRST, SECOND, THIRD], ["", f"{star}; 1 detection", ""])
    assert as_text(row).splitlines()[1:] == [f"  against {SECOND}: {star}; 1 detection"]
    assert f"{FIRST}<br>{SECOND}: {star}; 1 detection<br>{THIRD}" in as_markdown(row)


def test_a_night_without_high_scores_and_one_of_before_have_nothing_against_any():
    row = night_of()
    assert (row["against"], as_text(row).count("\n")) == ([], 0)
    assert "against" not in as_text({**row, "new_high_scores": [FIRST], "against": None})
