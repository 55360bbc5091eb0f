"""Catalogues, photometry and hosts with faults that people met."""

import shutil

import pytest

from needle_assets_tests.homes import ask, fill, needle


@pytest.fixture
def filled_from(cases, tmp_path):
    """Fill a home from a case's landing folder; asks the published warehouse."""

    def fill_from(case, select):
        landing = shutil.copytree(cases / case / "landing", tmp_path / "landing")
        fill(tmp_path / "home", landing, select=(select,))
        return lambda query: ask(tmp_path / "home" / "needle.duckdb", query)

    return fill_from


@pytest.mark.parametrize("case", ["bts-comment-lines", "bts-semicolon"])
def test_a_catalogue_between_comments_or_with_semicolons_is_read(filled_from, case):
    query = filled_from(case, "raw/objects")
    assert query("select object_id, label, round(ra_deg, 3), round(dec_deg, 3), a_v_mag from raw.objects order by 1") == [
        ("ZTF19zzaaaac", "SN", 136.903, -10.781, 0.092),
        ("ZTF21zzaaaaf", None, 55.783, 4.67, 0.534),
        ("ZTF22zzaaaae", "TDE", 205.908, 24.67, 0.034),
    ]
    assert query("select reason from core.rejections") == []


def test_types_have_one_table_and_one_rule_for_the_question_mark(filled_from):
    query = filled_from("bts-types", "raw/objects")
    labels = dict(query("select type, label from raw.objects"))
    assert {name for name in labels if name and "?" in name and labels[name]} == set()
    assert [labels[name] for name in ("Ia", "SN Ia", "SNIa")] == ["SN"] * 3
    assert [labels[name] for name in ("SLSN-I", "SN SLSN-I", "SN Ic-SLSN")] == ["SLSN-I"] * 3
    assert [labels[name] for name in ("SNR", "SN impostor", "SLSN-I.5", "LBV")] == [None] * 4
    refused = {name for (name,) in query("select measured->>'type' from core.rejections where stage = 'raw.objects'")}
    assert refused >= {"TDE?", "SLSN-I?", "SN Ia?", "SN?", "SLSN-I.5"}


def test_negative_differences_of_photometry_are_no_rise(filled_from):
    query = filled_from("phot-isdiffpos", "core/features")
    assert query("select is_positive, count(*) from core.detections group by 1 order by 1") == [(False, 10), (True, 10)]
    assert query("select peak_mjd, first_mjd from core.epochs") == [(59300.3, 59280.3)]


def test_noise_of_forced_photometry_is_no_detection(filled_from):
    query = filled_from("phot-forced-noise", "core/features")
    assert query("select first_mjd from core.epochs") == [(59280.3,)]
    assert query("select round(rise_days_r) from core.features") == [(20.0,)]
    assert query("select count(*) from core.rejections where stage = 'core.detections'") == [(21,)]


def test_separations_are_computed_and_hosts_degrees_away_refused(filled_from):
    query = filled_from("hosts-no-separation", "core/features")
    hosts = query("select object_id, is_hosted, round(separation_arcsec, 1), r_mag is not null from core.hosts order by 1")
    assert hosts == [
        ("ZTF21aaharva", True, 1.2, True),
        ("ZTF21aaharvb", False, None, False),
        ("ZTF21aaharvc", False, None, False),
    ]
    assert query("select object_id from core.rejections where stage = 'core.hosts' order by 1") == [
        ("ZTF21aaharvb",),
        ("ZTF21aaharvc",),
    ]


def test_a_web_page_saved_as_the_catalogue_leaves_the_warehouse_as_it_was(cases, tmp_path):
    landing, home = tmp_path / "landing", tmp_path / "home"
    shutil.copytree(cases / "landing-moved" / "new", landing)
    fill(home, landing, select=("raw/objects",))
    before = ask(home / "needle.duckdb", "from raw.objects order by object_id")
    shutil.copy(cases / "bts-becomes-html" / "landing" / "bts.csv", landing / "bts.csv")
    for _ in range(2):
        done = needle(home, "refresh", "--select", "raw/objects")
        assert (done.returncode, "bts.csv is a web page" in done.stderr) == (1, True)
        assert ask(home / "needle.duckdb", "from raw.objects order by object_id") == before
    assert len(before) == 6
    assert "bts.csv is a web page" in needle(home, "status").stdout
