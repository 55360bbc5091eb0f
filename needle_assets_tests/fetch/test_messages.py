"""What a message says: fields that Lasair takes, whatever is in them, and an id that names the message."""

import json
from dataclasses import replace

import pytest

from needle_assets.fetch.sending.messages import annotation, classification, is_changed, record
from needle_assets.settings import SendSettings
from needle_assets_tests.exports.test_candidates import candidate

SEND = SendSettings()
TOLD = {"message_id": "m", "classification": "SLSN-I", "as_of_mjd": 1.0, "p_sn": 0.2, "p_slsn": 0.8, "p_tde": 0.0, "against": []}


def said(**changes: object) -> dict:
    return record(candidate("ZTF18aaaaaaa", **changes), None, SEND, "lasair")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"p_slsn": 0.76}, False),
        ({"p_slsn": 0.75}, True),
        ({"against": ["is_old"]}, True),
        ({"warnings": ["x"]}, False),
    ],
)
def test_a_score_is_told_again_when_it_or_what_speaks_against_it_changed(changes, expected):
    now = candidate("ZTF18aaaaaaa", **changes)
    assert is_changed({**now, "p_sn": 1 - now["p_slsn"]}, TOLD, SEND) is expected
    assert is_changed(now, None, SEND)


def test_another_class_is_told_though_the_score_moved_little():
    near = {**TOLD, "classification": "SLSN-I", "p_sn": 0.49, "p_slsn": 0.51}
    assert is_changed(candidate("ZTF18aaaaaaa", 0.49), near, SEND)


def test_what_reaches_no_threshold_is_unclear():
    assert classification(candidate("ZTF18aaaaaaa", 0.45, p_sn=0.3, p_tde=0.25), 0.5) == "unclear"
    assert classification(candidate("ZTF18aaaaaaa", 0.5), 0.5) in ("SN", "SLSN-I")


def test_the_id_is_the_same_for_the_same_and_another_for_anything_else():
    ids = {said()["message_id"] for _ in range(2)} | {said(as_of_mjd=60001.0)["message_id"], said(reasons=["old"])["message_id"]}
    told = record(candidate("ZTF18aaaaaaa"), TOLD, SEND, "lasair")["message_id"]
    elsewhere = record(candidate("ZTF18aaaaaaa"), None, SEND, "webhook")["message_id"]
    assert len(ids | {told, elsewhere}) == 5


def test_an_annotation_fits_what_lasair_takes_however_much_there_is_to_say():
    form = annotation(said(reasons=["a very long reason " * 100] * 9, against=["is_bogus"] * 9, model_set="f" * 64), "needle")
    limits = {"classification": 80, "version": 16, "explanation": 1024, "classdict": 4096, "url": 1024}
    assert {name: len(form[name]) for name in limits if len(form[name]) > limits[name]} == {}
    assert len(form["explanation"]) == 1024


def test_no_text_of_an_annotation_can_end_a_statement_or_hold_markup():
    hostile = "'); drop table annotations; -- \\ <script>\" \u2019\n"
    form = annotation(said(reasons=[hostile], warnings=[hostile], model_set=hostile), "needle")
    assert not set("'\\<>\"\n\u2019") & set(form["explanation"] + form["version"] + form["classification"] + form["url"])
    assert not set("'\\") & set(form["classdict"])


def test_the_page_of_an_object_goes_along():
    send = replace(SEND, page="https://needle.example/objects/{object_id}?a='b'")
    form = annotation(record(candidate("ZTF18aaaaaaa"), None, send, "lasair"), "needle")
    assert form["url"] == "https://needle.example/objects/ZTF18aaaaaaa?a=b"


def test_what_is_not_known_is_null_in_a_record():
    found = said(peak_mag_g=float("nan"), ra_deg=None)
    assert (found["peak_mag_g"], found["ra_deg"], found["peak_mag_r"]) == (None, None, None)
    assert "NaN" not in json.dumps(found)
