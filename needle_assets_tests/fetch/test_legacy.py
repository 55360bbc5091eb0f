"""Hosts of Rubin's objects from the Legacy Surveys: the likeliest galaxy, none, or not looked at."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from needle_assets.assets.detections import hosts
from needle_assets.fetch import FetchError
from needle_assets.fetch.catalogues.legacy import COLUMNS, likeliest_host
from needle_assets.landing.catalogues import read_hosts
from needle_assets.settings import HostSettings, Settings
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import Response
from needle_assets_tests.fetch.test_faults import land_rubin

HOSTED, HOSTLESS, UNCOVERED = 313000000000000001, 313000000000000002, 313000000000000003


@pytest.fixture
def landed(fetcher: Fetcher) -> Fetcher:
    for object_id, dec in ((HOSTED, -20.0), (HOSTLESS, -55.0), (UNCOVERED, -65.0)):
        land_rubin(fetcher.landing, object_id, dec=dec)
    return fetcher


def hosts_of(landing: Path) -> pl.DataFrame:
    return read_hosts(landing / "hosts.csv")[0]


def test_the_likeliest_galaxy_lands_with_its_photometric_redshift(landed: Fetcher) -> None:
    assert landed("legacy").hosts == 1
    row = hosts_of(landed.landing).row(by_predicate=pl.col("object_id") == str(HOSTED), named=True)
    assert (row["object_id"], row["separation_arcsec"]) == (str(HOSTED), pytest.approx(2.0, abs=1e-3))
    assert (row["g_mag"], row["r_mag"], row["i_mag"], row["z_mag"]) == pytest.approx((20.4, 19.8, None, 19.3), abs=1e-4)
    expected = "Legacy Surveys DR10: 8796093022208001, photometric redshift 0.2100 +- 0.0300 [needle fetch]"
    assert row["source"] == expected


def test_no_host_and_not_covered_are_told_apart(landed: Fetcher) -> None:
    summary = landed("legacy")
    assert summary.is_complete
    assert summary.notes == ("1 objects: no host", "1 objects: not covered")
    known = {object_id: what["outcome"] for object_id, what in state_of(landed).items()}
    assert known == {str(HOSTED): "host", str(HOSTLESS): "no host", str(UNCOVERED): "not covered"}


def test_the_table_of_hosts_says_which_it_is_and_how_far_the_host(landed: Fetcher) -> None:
    landed("legacy")
    told = [row_of(frame) for frame in hosts_of(landed.landing).partition_by("object_id")]
    names = ("search_outcome", "photometric_redshift", "photometric_redshift_err")
    assert [tuple(row.get(name) for name in names) for row in told] == [
        ("host", 0.21, 0.03),
        ("no host", None, None),
        ("not covered", None, None),
    ]
    assert [row["is_hosted"] for row in told] == [True, False, False]


def row_of(landed: pl.DataFrame) -> dict[str, Any]:
    """The object's row of core.hosts, of an object without packets and catalogue."""
    alerts = pl.DataFrame(schema={"object_id": pl.String, "jd": pl.Float64, "ra": pl.Float64, "dec": pl.Float64})
    [row] = hosts({"raw.alerts": alerts, "raw.hosts": landed, "raw.objects": pl.DataFrame({"a_v_mag": []})}, Settings()).rows
    return dict(row)


def test_a_host_that_somebody_gives_later_counts_and_one_that_vanished_does_not_go(landed: Fetcher) -> None:
    landed("legacy")
    with (landed.landing / "hosts.csv").open("a") as out:
        out.write(f"{UNCOVERED},62.5,-65.001,,,,,,,false,mine\n")
    landed.services.servers["legacy"].break_from(0, lambda _request, _response: Response(sky.LEGACY_HEADER.encode() + b"\n"))
    landed("legacy", ids=[str(HOSTED), str(UNCOVERED)])
    told = [row_of(frame) for frame in hosts_of(landed.landing).partition_by("object_id")]
    assert [row["search_outcome"] for row in told] == ["host", "no host", "host"]


def state_of(landed: Fetcher) -> dict[str, Any]:
    state = json.loads((landed.landing / "answers/legacy/state.json").read_bytes())
    return dict(state["objects"])


def test_nothing_is_asked_twice_but_after_a_season(landed: Fetcher) -> None:
    landed("legacy")
    assert landed("legacy").requests == 0
    landed.clock.sleep(91 * 86400)
    assert landed("legacy").requests == 2  # the host that is known stays


def test_a_host_of_somebody_else_stays_in_force(landed: Fetcher) -> None:
    theirs = f"object_id,host_ra,host_dec,source\n{HOSTED},62.5,-20.001,mine\n"
    (landed.landing / "hosts.csv").write_text(theirs)
    landed("legacy")
    landed("legacy", ids=[str(HOSTED)])
    assert hosts_of(landed.landing).filter(object_id=str(HOSTED))["source"].to_list() == ["mine"]


def test_objects_of_ztf_are_asked_for_only_by_name(landed: Fetcher) -> None:
    (landed.landing / "bts.csv").write_bytes(sky.bts_csv())
    assert landed("legacy").requests == 3
    assert landed("legacy", ids=[sky.ACTIVE]).hosts == 1
    with pytest.raises(FetchError, match="where ZTF24zzzzzzz is stands neither in the catalogue nor in a landed packet"):
        landed("legacy", ids=["ZTF24zzzzzzz"])
    with pytest.raises(FetchError, match=r"the object id is .*, an id like"):
        landed("legacy", ids=["../x"])


@pytest.mark.parametrize(
    "body", [b"", b"<VOTABLE><INFO>error</INFO></VOTABLE>", b"a,b\n1,2\n", sky.LEGACY_HEADER.encode() + b"\n1,2\n"]
)
def test_another_answer_is_a_failure_and_asked_for_again(body: bytes, landed: Fetcher) -> None:
    landed.services.servers["legacy"].break_from(0, lambda _request, _response: Response(body))
    assert len(landed("legacy").failures) == 3
    assert not (landed.landing / "hosts.csv").exists()
    landed.services.reset()
    assert landed("legacy").hosts == 1


@pytest.mark.parametrize("bad", ["1e999", "<b>", "-9999", "", "nan", "²"])
def test_values_that_are_none_leave_the_source_without_them(bad: str) -> None:
    good = dict(zip(COLUMNS, ["7", "10.0", "5.0", "EXP", "20", "19", "18", "17", "0.1", "0.02", ""], strict=True))
    host = likeliest_host([good | dict.fromkeys(("mag_g", "z_phot_std"), bad)], 10.0, 5.0, HostSettings())
    assert host is not None
    assert (host["gAp"], host["rAp"]) == (None, 19.0)
    assert host["source"] == "Legacy Surveys DR10: 7, photometric redshift 0.1000 [needle fetch]"
    assert likeliest_host([good | dict.fromkeys(("ra", "ls_id"), bad)], 10.0, 5.0, HostSettings()) is None
