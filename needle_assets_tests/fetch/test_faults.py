"""What breaks on the way: every fault against every service, at the start and in the middle of a run."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from needle_assets.fetch import FetchError, FetchSummary
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_photometry
from needle_assets.landing.packets import read_packet
from needle_assets_tests import lsst
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import FAULTS, echo, redirect_to

SERVICES = (
    "bts",
    "tns",
    "alerce",
    "alerce_packets",
    "lasair",
    "lasair_images",
    "fink",
    "fink_lsst",
    "lasair_lsst",
    "panstarrs",
    "legacy",
    "field_images",
    "field_images_ps1",
    "archive",
    "dust",
)
SOURCE_OF = {"field_images_ps1": "field_images", "alerce_packets": "alerce", "lasair_images": "lasair"}
NEW_FAULTS = (*FAULTS, "redirect elsewhere", "echo")

THEIR_PHOTOMETRY = [
    {"ztf_id": sky.ACTIVE, "mjd": 60391.0, "band": "g", "mag": 19.0, "mag_err": 0.1, "source": "mine", "mw_corrected": True},
    {"ztf_id": sky.OLD, "mjd": 58301.0, "band": "r", "mag": 18.0, "mag_err": 0.1, "source": None, "mw_corrected": False},
]
THEIR_HOST = f"{sky.UNKNOWN},10.0001,10.0001,0.5,20.1,19.5,true,FLEET\n"


def prepared(fetcher: Fetcher, source: str) -> Fetcher:
    """A folder with a catalogue, other people's rows, and (for host magnitudes) a packet that names a host."""
    fetcher.landing.mkdir()
    (fetcher.landing / "bts.csv").write_bytes(sky.bts_csv())
    (fetcher.landing / "hosts.csv").write_text(
        "ztf_id,host_ra,host_dec,separation_arcsec,gAp,rAp,mw_corrected,source\n" + THEIR_HOST
    )
    pl.DataFrame(THEIR_PHOTOMETRY).write_parquet(fetcher.landing / "photometry.parquet")
    (fetcher.landing / "follow.txt").write_text(f"{sky.RUBIN}\n")
    if source == "legacy":
        land_rubin(fetcher.landing, 313000000000000001, 313000000000000002)
    if source == "field_images":
        land_rubin(fetcher.landing, 313000000000000001, 313000000000000002, dec=-40.0)
        land_rubin(fetcher.landing, 313000000000000003, 313000000000000004, dec=-20.0)
    if source == "panstarrs":
        for seen in (sky.DETECTIONS[sky.ACTIVE][0], sky.DETECTIONS[sky.OLD][0], sky.DETECTIONS[sky.HOSTLESS][0]):
            path = fetcher.landing / "alerts" / f"{seen.candid}.avro"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sky.packet_of(seen))
    return fetcher


@cache
def rubin_packet(object_id: int, **where: float) -> bytes:
    """A packet of an object of Rubin's, the same bytes every time."""
    source = lsst.source(diaSourceId=object_id - 10**17, diaObjectId=object_id, **where)
    told = lsst.record()["diaObject"] | {"diaObjectId": object_id}
    return lsst.container(lsst.record(diaSourceId=object_id - 10**17, diaSource=source, diaObject=told))


def land_rubin(landing: Path, *ids: int, **where: float) -> None:
    """A packet of each of these objects of Rubin's."""
    for object_id in ids:
        path = landing / "alerts" / f"{object_id - 10**17}.avro"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rubin_packet(object_id, **where))


def tree(landing: Path) -> dict[str, bytes]:
    """All that a run leaves, but for what it remembers of time."""
    files = (path for path in landing.rglob("*") if path.is_file() and path.name not in ("state.json", ".lock", ".merging"))
    return {str(path.relative_to(landing)): content(path) for path in sorted(files)}


def content(path: Path) -> bytes:
    return repr(pl.read_parquet(path).to_dicts()).encode() if path.suffix == ".parquet" else path.read_bytes()


def everything_said(fetcher: Fetcher, logs: str) -> str:
    files = "".join(path.read_bytes().decode("latin-1") for path in fetcher.landing.rglob("*") if path.is_file())
    return files + "".join(fetcher.said) + logs


def assert_whole(landing: Path) -> None:
    """Nothing in the folder is half written, and what others put there is still there."""
    for path in landing.rglob("*"):
        assert not path.name.endswith(".part")
        if path.suffix == ".avro":
            assert read_packet(path.read_bytes()).candid == int(path.stem)
        if path.suffix == ".json":
            json.loads(path.read_bytes())
    assert {row["object_id"] for row in read_catalogue(landing / "bts.csv")[0]} >= set(sky.DETECTIONS)
    photometry, refused = read_photometry(landing / "photometry.parquet")
    assert len(photometry.filter(pl.col("source").is_null() | (pl.col("source") == "mine"))) == 2
    assert not refused
    assert THEIR_HOST.split(",0.5")[0] in (landing / "hosts.csv").read_text()
    assert read_hosts(landing / "hosts.csv")[0].height >= 1


@pytest.fixture(scope="module")
def good_trees() -> dict[str, dict[str, bytes]]:
    return {}


@pytest.fixture
def broken_run(
    new_fetcher: Callable[[str], Fetcher], good_trees: dict[str, dict[str, bytes]], caplog: pytest.LogCaptureFixture
) -> Callable[[str, str, int], None]:
    """One run with a fault from some answer on, then one without: the folder ends as if nothing had happened."""

    def run(service: str, name: str, start: int) -> None:
        source = SOURCE_OF.get(service, service)
        if source not in good_trees:
            good = prepared(new_fetcher("good"), source)
            assert good(source).is_complete
            good_trees[source] = tree(good.landing)
        fetcher = prepared(new_fetcher("broken"), source)
        with caplog.at_level("DEBUG"):
            summary = run_broken(fetcher, source, service, name, start)
        assert_whole(fetcher.landing)
        assert not fetcher.services.elsewhere.requests
        fetcher.services.reset()
        again = fetcher(source)
        assert again.is_complete, again
        assert tree(fetcher.landing) == good_trees[source]
        assert summary is None or not summary.is_complete or summary.absent or start > 0
        assert sky.TOKEN not in everything_said(fetcher, caplog.text).replace("%20", " ")

    return run


def run_broken(fetcher: Fetcher, source: str, service: str, name: str, start: int) -> FetchSummary | None:
    services = fetcher.services
    named = {"redirect elsewhere": redirect_to(services.elsewhere.url), "echo": echo}
    services.servers[service].break_from(start, named.get(name) or FAULTS[name])
    impatient = {"timeout_seconds": 0.1, "answer_seconds": 0.1, "failures_in_a_row": 2, "slowest_bytes_per_second": 1e4}
    fetcher.changes = impatient if name == "slow drip" else {}
    try:
        return fetcher(source)
    except FetchError as why:
        fetcher.said.append(str(why))
        return None
    finally:
        fetcher.changes = {}


PAIRS = [(service, name) for service in SERVICES for name in NEW_FAULTS]


def some_pairs() -> list[tuple[str, str]]:
    """Every fourth pair: each service with four faults, each fault at two services; all of them are tried in the slow tests."""
    return [pair for number, pair in enumerate(PAIRS) if (number + number // len(NEW_FAULTS)) % 4 == 0]


@pytest.mark.parametrize(("service", "name"), some_pairs())
def test_after_a_fault_the_next_run_completes(service: str, name: str, broken_run: Callable[[str, str, int], None]) -> None:
    broken_run(service, name, 0 if service in ("bts", "lasair", "alerce") else 1)


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize(("service", "name"), PAIRS)
def test_a_fault_may_come_at_any_answer(service: str, name: str, start: int, broken_run: Callable[[str, str, int], None]) -> None:
    broken_run(service, name, start)
