"""ALeRCE, Lasair and Fink: what lands of their documented answers, what is asked again, and where a token goes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from needle_assets.fetch import FetchError
from needle_assets.fetch.around import AnswerError
from needle_assets.fetch.brokers import alerce, fink, lasair, rows
from needle_assets.fetch.brokers.packets import assemble_packet, read_cutout
from needle_assets.images.cutouts import decode_cutout
from needle_assets.landing.catalogues import read_photometry
from needle_assets.landing.packets import alert_row, read_packet
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import FAULTS, Request, Response, says
from needle_assets_tests.ztf import place_cutout

HOUR = 3600.0


def landed_packets(fetcher: Fetcher, source: str) -> dict[str, set[int]]:
    paths = (fetcher.landing / "alerts" / source).rglob("*.avro")
    found: dict[str, set[int]] = {}
    for path in paths:
        found.setdefault(path.parent.name, set()).add(int(path.stem))
    return found


def photometry(fetcher: Fetcher, source: str) -> pl.DataFrame:
    accepted, refused = read_photometry(fetcher.landing / "photometry.parquet")
    assert not refused
    return accepted.filter(pl.col("source") == source)


@pytest.mark.parametrize("source", ["alerce", "lasair", "fink"])
def test_a_brokers_detections_become_photometry(source: str, with_catalogue: Fetcher) -> None:
    assert with_catalogue(source).detections == 15
    found = photometry(with_catalogue, source).filter(pl.col("object_id") == sky.ACTIVE).sort("mjd")
    expected = [seen for seen in sky.DETECTIONS[sky.ACTIVE] if seen.is_positive]
    assert found["mjd"].to_list() == pytest.approx([seen.mjd for seen in expected], abs=1e-8)
    assert found["band"].to_list() == ["r", "g", "r", "g", "i"]
    assert found["mag"].to_list() == pytest.approx([seen.mag for seen in expected])
    assert not found["mw_corrected"].any()


@pytest.mark.parametrize("source", ["alerce", "lasair", "fink"])
def test_answers_are_kept_as_they_came(source: str, with_catalogue: Fetcher) -> None:
    sent: list[bytes] = []
    server = with_catalogue.services.servers[source]
    server.fault = lambda _request, response: sent.append(response.body) or response  # type: ignore[func-returns-value]
    with_catalogue(source, ids=[sky.ACTIVE])
    kept = (with_catalogue.landing / "answers" / source / "detections" / f"{sky.ACTIVE}.json").read_bytes()
    parts = [kept] if source != "fink" else [part.strip(b"[]") for part in kept.split(b",\n")]
    assert all(any(part in answer for answer in sent) for part in parts)
    assert json.loads(kept)


def test_alerces_packets_are_the_surveys_own(with_catalogue: Fetcher) -> None:
    assert with_catalogue("alerce").packets == 15
    with_stamps = {seen.candid: seen for seen in sky.DETECTIONS[sky.ACTIVE] if seen.has_stamp}
    assert landed_packets(with_catalogue, "alerce")[sky.ACTIVE] == set(with_stamps)
    for candid, seen in with_stamps.items():
        path = with_catalogue.landing / "alerts/alerce" / sky.ACTIVE / f"{candid}.avro"
        assert path.read_bytes() == sky.packet_of(seen)


def test_alerce_is_asked_only_for_what_is_new(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    with_catalogue("alerce")
    with_catalogue.clock.sleep(24 * HOUR)
    server, stamps = (with_catalogue.services.servers[name] for name in ("alerce", "alerce_packets"))
    before = len(stamps.requests)
    server.requests.clear()
    new = sky.Seen(sky.ACTIVE, 2_000_000_000_001_000_007, 60409.5, 2, 18.25)
    monkeypatch.setitem(sky.DETECTIONS, sky.ACTIVE, [*sky.DETECTIONS[sky.ACTIVE], new])
    summary = with_catalogue("alerce")
    assert [request.path for request in server.requests] == ["/objects", f"/objects/{sky.ACTIVE}/detections"]
    assert (len(stamps.requests) - before, summary.packets, summary.detections) == (1, 1, 1)


def test_alerces_list_is_read_page_by_page(with_catalogue: Fetcher) -> None:
    with_catalogue("alerce", ids=[sky.ACTIVE, sky.OLD, sky.HOSTLESS])
    pages = [r.query["page"] for r in with_catalogue.services.servers["alerce"].requests if r.path == "/objects"]
    assert pages == [["1"], ["2"]]


def test_a_list_without_end_is_given_up(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerce, "MAX_PAGES", 5)
    item = {"oid": sky.ACTIVE, "ndet": 1, "lastmjd": 1.0}
    with_catalogue.services.servers["alerce"].fault = lambda _q, _r: says({"items": [item], "has_next": True})
    assert "more than 5 pages" in with_catalogue("alerce").failures[0].reason


def test_a_packet_that_is_not_there_is_asked_for_a_few_nights(with_catalogue: Fetcher) -> None:
    stamps = with_catalogue.services.servers["alerce_packets"]
    stamps.fault = FAULTS["not found"]
    asked = []
    for _ in range(7):
        stamps.requests.clear()
        assert with_catalogue("alerce", ids=[sky.ACTIVE]).is_complete
        asked.append(len(stamps.requests))
    assert asked == [5, 5, 5, 5, 5, 0, 0]


def test_packets_that_landed_otherwise_are_not_asked_for(with_catalogue: Fetcher) -> None:
    with_catalogue("archive", nights=sky.NIGHTS)
    assert with_catalogue("alerce").packets == 0
    assert not with_catalogue.services.servers["alerce_packets"].requests


def test_the_surveys_packet_is_wanted_beside_an_assembled_one(with_catalogue: Fetcher) -> None:
    assert with_catalogue("fink").packets == 12
    assert with_catalogue("alerce").packets == 15
    assert with_catalogue("lasair").packets == 0


def test_another_objects_packet_is_refused(with_catalogue: Fetcher) -> None:
    stamps = with_catalogue.services.servers["alerce_packets"]
    stamps.fault = lambda _q, _r: Response(sky.packet_of(sky.DETECTIONS[sky.OLD][0]))
    summary = with_catalogue("alerce", ids=[sky.ACTIVE])
    assert "was asked for" in summary.failures[0].reason
    assert not (with_catalogue.landing / "alerts").exists()


def test_lasairs_limits_are_no_detections() -> None:
    answer = sky._lasair_object(sky.ACTIVE, "http://images")
    assert answer is not None
    assert answer["candidates"][-1]["magpsf"] == 20.4
    assert len(lasair.read_detections(answer)) == 6


def test_sherlocks_association_becomes_the_host() -> None:
    answer = sky._lasair_object(sky.ACTIVE, "http://images")
    assert answer is not None
    host = lasair.sherlock_host(sky.ACTIVE, answer)
    assert host is not None
    assert (host["host_ra"], host["host_dec"], host["separation_arcsec"]) == (*sky.HOSTS[sky.ACTIVE], 2.1)
    assert host["source"] == "Sherlock via Lasair: SN, SDSS [needle fetch]"


@pytest.mark.parametrize("said", [{}, None, {"raDeg": 0.0, "decDeg": 0.0}, {"raDeg": 5.0}, {"raDeg": 500.0, "decDeg": 1.0}])
def test_an_association_without_a_place_is_no_host(said: Any) -> None:
    assert lasair.sherlock_host(sky.ACTIVE, {"sherlock": said}) is None


def test_lasair_without_a_token_says_where_to_get_one(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sky, "TOKEN", "")
    with pytest.raises(FetchError, match="NEEDLE_LASAIR_TOKEN is not set; copy your token"):
        with_catalogue("lasair")
    assert not with_catalogue.services.servers["lasair"].requests


def test_the_token_goes_to_lasairs_api_alone(with_catalogue: Fetcher) -> None:
    for source in ("bts", "alerce", "lasair", "fink", "panstarrs", "archive"):
        with_catalogue(source)
    for name, server in with_catalogue.services.servers.items():
        if name.endswith("_lsst") or name == "legacy" or name.startswith("field_images"):
            continue  # asked for objects of Rubin's alone
        if name in ("tns", "dust"):
            assert server.requests == []  # asked for by nobody
            continue
        said = {request.headers.get("Authorization") for request in server.requests}
        assert said == ({f"Token {sky.TOKEN}"} if name == "lasair" else {None}), name


def test_cutouts_that_lie_elsewhere_are_not_fetched_but_said(with_catalogue: Fetcher) -> None:
    other = with_catalogue.services.elsewhere
    server = with_catalogue.services.servers["lasair"]
    here = with_catalogue.services.servers["lasair_images"].url.encode()
    server.fault = lambda _q, response: Response(response.body.replace(here, other.url.encode()))
    summary = with_catalogue("lasair")
    assert not other.requests
    assert [failure.what for failure in summary.failures] == ["cutouts"]
    assert "set fetch.lasair_images.url" in summary.failures[0].reason
    assert summary.detections == 15


def test_objects_that_a_query_finds_are_followed_from_then_on(with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasair, "QUERY_ROWS", 1)
    with_catalogue.changes = {"lasair_conditions": "objects.ncand > 2"}
    with_catalogue("lasair")
    forms = [r.form() for r in with_catalogue.services.servers["lasair"].requests if r.path == "/query/"]
    assert [(form["conditions"], form["limit"], form["offset"]) for form in forms] == [
        ("objects.ncand > 2", "1", str(offset)) for offset in (0, 1, 2)
    ]
    with_catalogue("fink")
    asked = {r.json()["objectId"] for r in with_catalogue.services.servers["fink"].requests if r.path == "/objects"}
    assert any(sky.ELSEWHERE in ids for ids in asked)


def test_a_query_that_lasair_refuses_is_listed_and_the_rest_goes_on(with_catalogue: Fetcher) -> None:
    def refuse(request: Request, response: Response) -> Response:
        return says({"error": "table nonsense is unknown"}) if request.path == "/query/" else response

    with_catalogue.changes = {"lasair_conditions": "nonsense"}
    with_catalogue.services.servers["lasair"].fault = refuse
    summary = with_catalogue("lasair")
    assert "table nonsense is unknown" in summary.failures[0].reason
    assert summary.detections == 15


def test_lasairs_hundred_requests_an_hour_are_kept(with_catalogue: Fetcher) -> None:
    assert with_catalogue.services.settings().fetch.lasair.max_requests == 100


@pytest.mark.parametrize("source", ["lasair", "fink"])
def test_an_assembled_packet_is_one_that_the_pipeline_reads(source: str, with_catalogue: Fetcher) -> None:
    with_catalogue(source)
    seen = sky.DETECTIONS[sky.ACTIVE][2]
    path = with_catalogue.landing / "alerts" / source / sky.ACTIVE / f"{seen.candid}.avro"
    packet = read_packet(path.read_bytes())
    row = alert_row(packet)
    assert (packet.object_id, packet.candid, row["fid"], row["isdiffpos"]) == (sky.ACTIVE, seen.candid, seen.fid, "t")
    assert (row["jd"], row["magpsf"], row["ra"]) == pytest.approx((seen.jd, seen.mag, sky.PLACES[sky.ACTIVE][0]))
    assert row["xpos"] == (1000.25 if source == "fink" else None)
    assert "needle_assets" in row["publisher"]
    assert packet.science is not None
    np.testing.assert_array_equal(place_cutout(decode_cutout(packet.science)).image, sky.IMAGE[1:61, 1:61])


def test_cutouts_are_asked_for_the_brightest_positive_detections_in_g_and_r(with_catalogue: Fetcher) -> None:
    with_catalogue("fink", ids=[sky.ACTIVE])
    usable = {seen.candid for seen in sky.DETECTIONS[sky.ACTIVE] if seen.is_positive and seen.fid != 3}
    assert landed_packets(with_catalogue, "fink") == {sky.ACTIVE: usable}


def test_no_more_cutouts_than_set_are_asked_for(with_catalogue: Fetcher) -> None:
    settings = with_catalogue.services.settings().fetch
    with_catalogue.changes = {"fink": type(settings.fink)(settings.fink.url, cutouts=2)}
    with_catalogue("fink", ids=[sky.ACTIVE])
    brightest = sorted((s for s in sky.DETECTIONS[sky.ACTIVE] if s.is_positive and s.fid != 3), key=lambda s: s.mag)[:2]
    assert landed_packets(with_catalogue, "fink") == {sky.ACTIVE: {seen.candid for seen in brightest}}


def test_a_packet_needs_both_science_and_reference(with_catalogue: Fetcher) -> None:
    def no_reference(request: Request, response: Response) -> Response:
        return Response(status=404) if "Template" in request.path else response

    with_catalogue.services.servers["lasair_images"].fault = no_reference
    summary = with_catalogue("lasair", ids=[sky.ACTIVE])
    assert (summary.packets, summary.absent) == (0, 4)
    assert not (with_catalogue.landing / "alerts").exists()


def test_a_number_that_lost_its_digits_is_refused() -> None:
    with pytest.raises(AnswerError, match="a whole number is needed"):
        rows.candid_of(2.24041079251501e18)
    assert rows.candid_of("2240410792515015010") == rows.candid_of(2240410792515015010)


@pytest.mark.parametrize(
    "change", [{"mjd": None}, {"mjd": "soon"}, {"fid": None}, {"candid": "x1"}, {"isdiffpos": 0.5}, {"magpsf": "bright"}]
)
def test_a_detection_of_another_shape_is_named(change: dict[str, Any]) -> None:
    row = sky._alerce_row(sky.DETECTIONS[sky.ACTIVE][0]) | change
    with pytest.raises(AnswerError, match=next(iter(change))):
        alerce.read_detections([row])


@pytest.mark.parametrize("change", [{"magpsf": None}, {"sigmapsf": None}, {"magpsf": float("nan")}])
def test_a_detection_without_a_magnitude_is_passed_over(change: dict[str, Any]) -> None:
    good = sky._alerce_row(sky.DETECTIONS[sky.ACTIVE][0])
    assert len(alerce.read_detections([good, good | change])) == 1
    with pytest.raises(AnswerError, match="magpsf"):
        alerce.read_detections([{name: value for name, value in good.items() if name != "magpsf"}])


def test_both_forms_of_alerces_magnitudes_are_read() -> None:
    old = sky._alerce_row(sky.DETECTIONS[sky.ACTIVE][0])
    new = {("mag" if k == "magpsf" else "e_mag" if k == "sigmapsf" else k): v for k, v in old.items()}
    first, second = alerce.read_detections([old, new | {"fid": "r", "isdiffpos": True}])
    assert (first.mag, first.mag_err, first.band, first.is_positive) == (
        second.mag,
        second.mag_err,
        second.band,
        second.is_positive,
    )


def test_rows_of_other_filters_are_passed_over() -> None:
    row = sky._fink_row(sky.DETECTIONS[sky.ACTIVE][0]) | {"i:fid": 9}
    assert fink.read_detections([row]) == []


def test_a_row_without_a_place_makes_no_packet() -> None:
    with pytest.raises(KeyError, match="dec, ra"):
        assemble_packet(sky.ACTIVE, 5, {"jd": 2.46e6, "fid": 1, "isdiffpos": "t", "magpsf": 18.0, "sigmapsf": 0.1}, {}, "test")


def test_the_same_row_makes_the_same_bytes_and_lost_digits_are_null() -> None:
    fields = {"jd": 2.46e6, "fid": 1, "isdiffpos": "t", "ra": 1.0, "dec": 2.0, "magpsf": 18.0, "sigmapsf": 0.1}
    fields |= {"objectidps1": 1.0200003000300041e17, "rfid": 12, "nid": "7", "drb": "0.5", "ssnamenr": ["x"]}
    made = [assemble_packet(sky.ACTIVE, 5, fields, {}, "test") for _ in range(2)]
    assert made[0] == made[1]
    candidate = read_packet(made[0]).candidate
    assert [candidate.get(name) for name in ("objectidps1", "nid", "drb", "ssnamenr")] == [None, 7, 0.5, None]


def test_cutouts_come_packed_or_not() -> None:
    packed = sky.cutout(sky.IMAGE)
    assert read_cutout(packed) == packed
    assert read_cutout(sky.fits(sky.IMAGE)) == packed
    assert read_cutout(b"") is None


def test_an_answer_kept_but_not_merged_is_merged_by_the_next_run(
    with_catalogue: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "merge_photometry", broken)
    with pytest.raises(KeyboardInterrupt):
        with_catalogue("fink")
    monkeypatch.undo()
    with_catalogue.services.servers["fink"].requests.clear()
    assert with_catalogue("fink").detections == 15
    asked = [request.json()["objectId"] for request in with_catalogue.services.servers["fink"].requests]
    assert asked == [sky.UNKNOWN]


def test_photometry_that_was_removed_comes_back(with_catalogue: Fetcher) -> None:
    with_catalogue("fink")
    (with_catalogue.landing / "photometry.parquet").unlink()
    assert with_catalogue("fink").detections == 15


def test_an_answer_that_somebody_changed_is_left_out(with_catalogue: Fetcher) -> None:
    with_catalogue("fink")
    path: Path = with_catalogue.landing / "answers/fink/detections" / f"{sky.ACTIVE}.json"
    path.write_text('[{"i:candid": "nonsense"}]')
    assert with_catalogue("fink").is_complete
    assert len(photometry(with_catalogue, "fink")) == 15
