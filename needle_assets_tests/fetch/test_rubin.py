"""Rubin's objects as brokers give them: what a packet of the same source would say."""

import json
from typing import Any

import pytest

from needle_assets.fetch import FetchError
from needle_assets.fetch.around import AnswerError
from needle_assets.fetch.brokers.rubin import read_sources, rows_of_fink, rows_of_lasair
from needle_assets.landing.catalogues import read_photometry
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import says

SOURCE = {"diaObjectId": int(sky.RUBIN), **sky.RUBIN_SOURCES[0]}


@pytest.fixture
def following(fetcher: Fetcher) -> Fetcher:
    fetcher.landing.mkdir()
    (fetcher.landing / "follow.txt").write_text(f"{sky.RUBIN}\n{sky.OTHER_RUBIN}\nZTF24aaaaaaa\n")
    return fetcher


@pytest.mark.parametrize("source", ["fink_lsst", "lasair_lsst"])
def test_sources_become_photometry_with_the_time_and_magnitude_of_a_packet(source: str, following: Fetcher) -> None:
    assert following(source, ids=[sky.RUBIN]).detections == 2  # one is negative, and one has no flux
    landed = read_photometry(following.landing / "photometry.parquet")[0]
    assert landed.select("object_id", "band", "source").rows() == [(sky.RUBIN, band, source) for band in ("i", "z")]
    assert landed["mag"].to_list() == pytest.approx([31.4 - 2.5 * 3.30103, 31.4 - 2.5 * 3.39794], abs=1e-4)
    assert landed["mag_err"][0] == pytest.approx(1.0857362 * 0.05, abs=1e-5)
    assert landed["mjd"][0] == pytest.approx(61100.25 - 52 / 86400, abs=1e-7)


def test_only_followed_objects_of_rubin_are_asked_for_and_unknown_ones_are_no_failure(following: Fetcher) -> None:
    summary = following("fink_lsst")
    assert (summary.asked, summary.absent, summary.failures) == (2, 1, ())
    asked = [json.loads(request.body)["diaObjectId"] for request in following.services.servers["fink_lsst"].requests]
    assert asked == [sky.RUBIN, sky.OTHER_RUBIN]


def test_sources_of_another_object_are_not_taken(following: Fetcher) -> None:
    following.services.servers["fink_lsst"].fault = lambda *_given: says([{"r:diaObjectId": 1, "r:diaSourceId": 2}])
    [failure, _] = following("fink_lsst").failures
    assert "were asked for, one of 1 came" in failure.reason
    assert not (following.landing / "photometry.parquet").exists()


@pytest.mark.parametrize("value", [{}, None, [1], "<html>", {"diaSourcesList": {}}, {"diaSourcesList": [None]}])
def test_another_shape_is_no_answer(value: Any) -> None:
    with pytest.raises(AnswerError):
        rows_of_lasair(value)
    with pytest.raises(AnswerError):
        rows_of_fink(value)


@pytest.mark.parametrize(
    "changes",
    [{"psfFlux": "2e3"}, {"psfFlux": 1e400}, {"psfFluxErr": 0}, {"band": "<i>"}, {"midpointMjdTai": 1e9}, {"diaSourceId": 1.5}],
)
def test_a_source_that_is_none_is_passed_over_and_told_where_there_is_no_other(changes: dict[str, Any]) -> None:
    assert len(read_sources([SOURCE, SOURCE | changes])) == 1
    with pytest.raises(AnswerError, match="none of 1 sources can be used: "):
        read_sources([SOURCE | changes])


def test_an_id_of_another_survey_is_refused(following: Fetcher) -> None:
    with pytest.raises(FetchError, match="an id like 313893023095193658 is needed"):
        following("lasair_lsst", ids=["ZTF24aaaaaaa"])
