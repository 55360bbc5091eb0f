"""The walk: real packets, photometry and catalogue through every product."""

from pathlib import Path

import pytest

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.warehouse.checks import CHECKS
from needle_assets_tests.folders import refreshed, rows


@pytest.fixture(scope="module")
def real(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home refreshed from the whole real survey, with two workers."""
    home = Home(tmp_path_factory.mktemp("real")).prepare()
    result = run_refresh(home, RefreshOptions(landing=survey, workers=2))
    failed = {name: done["failed"] for name, done in result["assets"].items() if done["failed"]}
    assert failed == {}, rows(
        home, "select stage, object_id, measured from core.rejections where reason like 'the code failed%' limit 1"
    )
    return home


def one(home: Home, query: str) -> object:
    return rows(home, query)[0][0]


def test_every_packet_of_the_real_survey_is_a_row_or_a_rejection(real, survey):
    n_files = len(list((survey / "alerts").glob("*.avro")))
    refused = "select count(*) from core.rejections where stage in ('landing', 'raw.alerts')"
    assert one(real, "select count(*) from raw.alerts") + one(real, refused) == n_files == 646


def test_every_photometry_row_is_a_row_or_a_rejection(real):
    refused = "select count(*) from core.rejections where stage = 'raw.photometry'"
    assert one(real, "select count(*) from raw.photometry") + one(real, refused) == 88_671


def test_every_catalogue_row_is_a_row_or_a_rejection(real):
    refused = """select count(*) from core.rejections where stage = 'raw.objects'
        and object_id not in (select object_id from raw.objects)"""
    assert one(real, "select count(*) from raw.objects") + one(real, refused) == 8_410


def test_every_real_packet_ends_in_a_masked_pair_or_is_refused_by_name(real):
    lost = """select object_id, candid from raw.alerts a
        where not exists (select 1 from core.masked_stamps m where m.object_id = a.object_id)
        and not exists (select 1 from core.rejections r where r.object_id = a.object_id)"""
    assert rows(real, lost) == []


def test_supernovae_in_the_reference_are_known_as_negative(real):
    old = "('ZTF18abmasep', 'ZTF18abslpjy', 'ZTF18acenqto', 'ZTF18adkvbzf')"
    told = f"from core.detections where object_id in {old} and source in ('packet', 'history')"
    assert {positive for _, positive in rows(real, f"select object_id, bool_or(is_positive) {told} group by 1")} == {False}


def test_objects_without_a_catalogue_row_are_candidates_with_a_position(real):
    query = "select count(*) from core.objects where is_candidate and n_packets > 0 and (ra_deg is null or dec_deg is null)"
    assert one(real, query) == 0
    assert one(real, "select count(*) from core.objects where is_candidate") > 0


def test_detections_do_not_repeat_within_an_exposure(real):
    repeated = """select * from (select object_id, band, mjd - lag(mjd) over (partition by object_id, band order by mjd) as gap
        from core.detections) where gap < 3e-4"""
    assert rows(real, repeated) == []


def test_packets_without_a_landed_host_find_one_among_their_own_sources(real):
    counted = dict(rows(real, "select association, count(*) from core.hosts group by 1"))
    assert counted["packet"] > 50
    assert one(real, "select max(p_chance) from core.hosts") <= 0.1


def test_real_packets_that_lie_degrees_from_their_object_are_told(real):
    (claim,) = [check for check in CHECKS if check.name == "packets_lie_where_the_object_is"]
    apart = rows(real, f"select object_id from ({claim.query}) where offset_arcsec > 3600 order by 1")
    candidates = ["ZTF18aaypqjd", "ZTF19aaprcos", "ZTF19abtsizp", "ZTF23abiklhv", "ZTF23abkpnol"]
    assert [object_id for (object_id,) in apart] == sorted([*candidates, "ZTF23aavygyn", "ZTF23abcvqkd", "ZTF23abhyroo"])


def test_refreshing_the_real_survey_again_computes_nothing(real):
    assert refreshed(real) == {}
