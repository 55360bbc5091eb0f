"""Candidates as text: lines for programs, drafts for people, which say what speaks against each object and hold no markup."""

import json
from pathlib import Path
from typing import Any

import pytest

from needle_assets.exports.candidates import day, export_candidates, sexagesimal
from needle_assets.exports.folder import ExportError
from needle_assets.home import Home
from needle_assets.settings import Settings


def candidate(object_id: str, p_slsn: float = 0.8, **changes: Any) -> dict[str, Any]:
    """A candidate as the warehouse tells of it."""
    row = {
        "object_id": object_id, "survey": "ztf", "iau_name": None, "other_ids": [], "ra_deg": 150.5, "dec_deg": -2.25,
        "redshift": None, "is_simulated": False, "p_sn": 1 - p_slsn, "p_slsn": p_slsn, "p_tde": 0.0, "p_slsn_std": 0.01,
        "p_tde_std": 0.0, "against": [], "reasons": [], "warnings": [], "as_of_mjd": 60000.5, "first_above_half_mjd": 59999.0,
        "days_since_first": 20.0, "n_det_g": 5, "n_det_r": 6, "peak_mag_g": 18.1, "peak_mag_r": None, "separation_arcsec": 1.25,
        "host_r_mag": None, "ablation": "masked", "model_kind": "TH", "n_models": 5, "model_set": "a1b2c3", "first_mjd": 59980.5,
    }  # fmt: skip
    return {**row, **changes}


@pytest.fixture
def draft(monkeypatch: pytest.MonkeyPatch):
    def of(rows: list[dict[str, Any]], form: str = "astronote", **asked: Any) -> str:
        monkeypatch.setattr("needle_assets.warehouse.results.sent.candidates", lambda _published: rows)
        return export_candidates(Path("needle.duckdb"), Settings(), form, **asked)

    return of


def test_every_candidate_is_a_line(draft):
    lines = draft(
        [candidate("ZTF18aaaaaaa"), candidate("ZTF18bbbbbbb", float("nan"), p_sn=0.5, peak_mag_g=float("nan"))][:1], "jsonl"
    )
    assert json.loads(lines)["probabilities"] == {"SN": 0.2, "SLSN-I": 0.8, "TDE": 0.0}


def test_a_note_lists_what_was_first_called_rare_in_its_days_with_what_speaks_against_it(draft):
    early = candidate("ZTF18aaaaaaa", first_above_half_mjd=59900.0)
    starry = candidate("ZTF18bbbbbbb", reasons=["a star of 15.0 mag within 0.2 arcsec"], warnings=["4 epochs only"])
    note = draft([starry, early, candidate("ZTF18ccccccc", 0.4), candidate("ZTF18ddddddd", 0.1)])
    assert [name for name in ("aaaaaaa", "bbbbbbb", "ccccccc", "ddddddd") if name in note] == ["bbbbbbb"]
    assert "Against it: a star of 15.0 mag within 0.2 arcsec." in note
    assert "Beware: 4 epochs only." in note
    assert "2023-02-18 to 2023-02-25" in note
    assert "ZTF18aaaaaaa" in draft([starry, early], days=200)


def test_a_week_without_candidates_says_so(draft):
    assert "(none: no candidate was called" in draft([])
    assert "No candidate was called SLSN-I or TDE" in draft([candidate("ZTF18aaaaaaa", 0.1)], "tns")


def test_a_request_has_what_a_spectroscopist_needs(draft):
    text = draft([candidate("ZTF18aaaaaaa", 0.1, iau_name="2023abc", redshift=0.123)], "tns", ids=["ZTF18aaaaaaa"])
    for said in (
        "2023abc",
        "10:02:00.00 -02:15:00.0",
        "2023-02-05 UTC",
        "g = 18.10 (AB)",
        "1.2 arcsec from its centre",
        "0.1230",
    ):
        assert said in text


def test_one_object_of_two_surveys_is_listed_once_with_both_names(draft):
    note = draft([candidate("ZTF18aaaaaaa", other_ids=["3138930230951"]), candidate("3138930230951", other_ids=["ZTF18aaaaaaa"])])
    assert note.count("SLSN-I 0.80") == 1
    assert "We report 1 candidate" in note


def test_markup_and_control_characters_of_a_name_do_not_reach_a_note(draft):
    note = draft([candidate("ZTF18aaaaaaa", iau_name="<script>alert('x')</script>\x1b[2J\n2023abc")])
    assert not {"<", ">", "\x1b"} & set(note)
    assert "script?alert(?x?)" in note


def test_simulated_candidates_are_marked_as_not_to_be_sent(draft):
    for form in ("astronote", "tns"):
        assert "MUST NOT BE SENT" in draft([candidate("ZTF18zzaaaaa", is_simulated=True)], form)


@pytest.mark.parametrize(("asked", "said"), [({"form": "pdf"}, "choose one of"), ({"ids": ["ZTF18zzzzzzz"]}, "no candidate")])
def test_what_cannot_be_written_is_said(draft, asked, said):
    with pytest.raises(ExportError, match=said):
        draft([candidate("ZTF18aaaaaaa")], **asked)


def test_a_home_without_models_has_no_candidates(filled: tuple[Path, Home]):
    assert export_candidates(filled[1].published, filled[1].settings(), "jsonl") == ""


def test_positions_are_rounded_over_the_minute_and_over_the_circle():
    assert (sexagesimal(23.9999999, 2, 24), sexagesimal(59.9999 / 3600, 1)) == ("00:00:00.00", "00:01:00.0")
    assert day(60000.99999) == "2023-02-25"
