"""The model of what is none of the classes in a home: trained once, kept, scored with, and taken away with a sentence."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from needle_assets.pipeline.session import Session
from needle_assets.pipeline.train_other import train_other
from needle_assets.settings import OtherSettings
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import other_models
from needle_assets_tests.assets.sample_frames import OBJECT_COLUMNS, SETTINGS, objects, session_of

CHOSEN = replace(SETTINGS, other=OtherSettings(min_examples=6))
NOVAE = "(select 'ZTF19zzzzzz' || chr(97 + k::int) as object_id, k from range(8) r(k))"
FLAGS = ", ".join(f"false as {name}" for name in OBJECT_COLUMNS.split(", "))
# Eight novae that rise by a magnitude in two days, and all that their features are made from.
STORED = {
    "raw.objects": f"select object_id, 'nova' as type, {FLAGS} from {NOVAE}",
    "core.detections": f"""
        select object_id, 58500.0 + 2 * i as mjd, 'g' as band, 19.0 - i + k / 20 as mag, 0.1 as mag_err, true as is_positive,
        false as is_mw_corrected, false as has_stamp, 'alert' as source from {NOVAE}, range(3) s(i)""",
    "core.epochs": f"""
        select object_id, 'g,r' as bands, 58500.0 as first_mjd, 58504.0 as peak_mjd, 58504.0 as classification_mjd,
        3 as n_rising_g, 0 as n_rising_r from {NOVAE}""",
    "lineage.objects": f"select object_id, 'ztf' as survey, now()::timestamp as landed_at from {NOVAE}",
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A home with labelled objects and eight novae."""
    opened = session_of(tmp_path, objects(), CHOSEN)
    with writing(opened.home.working) as connection:
        for table, made in STORED.items():
            connection.execute(f"insert into {table} by name {made}")
    return opened


def asked(session: Session, query: str) -> list[tuple]:
    with writing(session.home.working) as connection:
        return connection.execute(query).fetchall()


def test_the_model_is_trained_once_and_again_only_when_its_settings_change(session):
    assert "8 such objects: trained, ROC area" in train_other(session)
    before = asked(session, "select model_id, n_other, n_classified, n_folds, len(weights) from results.other_models")
    assert before[0][1:] == (8, 51, 3, 3)
    assert "up to date" in train_other(session)
    other = Session(session.home, replace(CHOSEN, other=OtherSettings(6, prior=0.1)), workers=1, stages=session.stages).open()
    assert "trained" in train_other(other)
    assert [row[:1] for row in before] != asked(session, "select model_id from results.other_models")


def test_too_few_examples_are_no_model_and_one_sentence_and_the_model_before_is_no_loss(session):
    train_other(session)
    assert session.publish()
    with writing(session.home.working) as connection:
        connection.execute("delete from raw.objects where object_id in ('ZTF19zzzzzza', 'ZTF19zzzzzzb', 'ZTF19zzzzzzc')")
    said = train_other(session)
    assert "it takes 6 objects" in said
    assert "there are 5 (of 5)" in said
    assert asked(session, "select reason from core.rejections where stage = 'results.other_models'") == [(said,)]
    assert asked(session, "select count(*) from results.other_models") == [(0,)]
    assert session.publish()


def test_the_newest_verdict_on_an_object_counts_and_the_wish_for_a_closer_look_does_not(session):
    said = {"other": "2026-01-01", "SN": "2026-01-03", "follow_up": "2026-01-04"}
    with writing(session.home.working) as connection:
        for verdict, at in said.items():
            row = f"'{verdict}' as verdict_id, 'ZTF20judged' as object_id, '{verdict}' as verdict, '{at}'::timestamp as judged_at"
            connection.execute(f"insert into raw.verdicts by name select {row}")
        found = other_models.catalogue(connection).filter(pl.col("verdict").is_not_null())
    assert found.select("object_id", "verdict", "type").rows() == [("ZTF20judged", "SN", None)]
