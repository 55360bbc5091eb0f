"""Nights of the alert archive: only known objects' packets, as they came, in bounded memory, and on again after any break."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import fastavro
import pytest

from needle_assets.fetch import FetchError
from needle_assets.landing.packets import read_packet
from needle_assets_tests import packets
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import Request, Response, Server
from needle_assets_tests.fetch.test_faults import tree


def landed(fetcher: Fetcher) -> dict[str, bytes]:
    folder = fetcher.landing / "alerts"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tar_of(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            sky._add(tar, name, content)
    return out.getvalue()


def serve(fetcher: Fetcher, content: bytes) -> None:
    fetcher.services.servers["archive"].fault = lambda r, answer: answer if r.path == "/" else sky._ranged(r, content, '"x"')


def test_known_objects_packets_land_as_they_came_under_their_night(with_catalogue: Fetcher) -> None:
    assert with_catalogue("archive").packets == 18
    expected = {
        f"{sky.NIGHTS[seen.candid % 3]}/{seen.candid}.avro": sky.packet_of(seen)
        for some in sky.DETECTIONS.values()
        for seen in some
    }
    assert landed(with_catalogue) == expected


def test_a_night_that_was_read_is_not_read_again(with_catalogue: Fetcher) -> None:
    with_catalogue("archive")
    server = with_catalogue.services.servers["archive"]
    server.requests.clear()
    assert with_catalogue("archive").is_complete
    assert [request.path for request in server.requests] == ["/"]


def test_the_newest_nights_are_taken_and_others_when_named(with_catalogue: Fetcher) -> None:
    with_catalogue.changes = {"archive_nights": 1}
    assert with_catalogue("archive").asked == 1
    assert {path.split("/")[0] for path in landed(with_catalogue)} == {sky.NIGHTS[-1]}
    assert with_catalogue("archive", nights=[sky.NIGHTS[0]]).packets == 6
    assert with_catalogue("archive", nights=["20200101"]).failures[0].what == "night 20200101"
    with pytest.raises(FetchError, match="YYYYMMDD"):
        with_catalogue("archive", nights=["../secret"])


def test_a_night_named_again_brings_what_became_known_since(with_catalogue: Fetcher) -> None:
    assert with_catalogue("archive", ids=[sky.ACTIVE]).packets == 6
    (with_catalogue.landing / "follow.txt").write_text(sky.ELSEWHERE)
    assert with_catalogue("archive", nights=sky.NIGHTS).packets == 18


def test_a_night_cut_off_keeps_what_came_and_is_read_again(with_catalogue: Fetcher) -> None:
    whole = sky._TARS[sky.NIGHTS[0]]
    serve(with_catalogue, whole[: len(whole) * 2 // 3])
    summary = with_catalogue("archive", nights=[sky.NIGHTS[0]])
    assert "the archive ends early" in summary.failures[0].reason
    n_first = summary.packets
    with_catalogue.services.reset()
    again = with_catalogue("archive")
    assert again.is_complete
    assert n_first + again.packets == 18


def test_a_member_that_cannot_be_used_is_counted_and_stops_nothing(with_catalogue: Fetcher) -> None:
    good = sky.packet_of(sky.DETECTIONS[sky.ACTIVE][0])
    serve(with_catalogue, tar_of(("../evil.avro", good), ("a.avro", good[:20_000]), ("b.avro", good), ("c.txt", b"hello")))
    summary = with_catalogue("archive", nights=[sky.NIGHTS[0]])
    assert (summary.packets, summary.is_complete) == (1, True)
    known = nights_known(with_catalogue)[sky.NIGHTS[0]]
    assert (known["members"], known["wanted"], known["refused"]) == (4, 1, 2)
    assert not (with_catalogue.landing.parent / "evil.avro").exists()
    assert "leads out of the archive" in known["refusals"][0]


def nights_known(fetcher: Fetcher) -> dict[str, dict[str, int]]:
    state: dict[str, dict[str, int]] = json.loads((fetcher.landing / "answers/archive/state.json").read_bytes())["objects"]
    return state


def test_packed_packets_are_found_too(with_catalogue: Fetcher) -> None:
    seen = sky.DETECTIONS[sky.ACTIVE][0]
    record = packets.record(candid=seen.candid, jd=seen.jd) | {"objectId": sky.ACTIVE, "candid": seen.candid}
    packed, others = (
        packets.avro(record | {"objectId": object_id}, codec="deflate") for object_id in (sky.ACTIVE, sky.ELSEWHERE)
    )
    assert sky.ACTIVE.encode() not in packed
    serve(with_catalogue, tar_of(("others.avro", others), ("p.avro", packed)))
    assert with_catalogue("archive", nights=[sky.NIGHTS[0]]).packets == 1
    assert list(fastavro.reader(io.BytesIO(landed(with_catalogue)[f"{sky.NIGHTS[0]}/{seen.candid}.avro"])))


def test_real_packets_of_known_objects_and_no_others_land(fetcher: Fetcher, survey: Path) -> None:
    paths = sorted((survey / "alerts").glob("*.avro"))[::8]
    real = {path: read_packet(path.read_bytes()) for path in paths}
    known = sorted({packet.object_id for packet in real.values()})[::3]
    serve(fetcher, tar_of(*((path.name, path.read_bytes()) for path in paths)))
    fetcher("archive", ids=known, nights=[sky.NIGHTS[0]])
    wanted = {f"{sky.NIGHTS[0]}/{p.candid}.avro": path.read_bytes() for path, p in real.items() if p.object_id in known}
    assert wanted
    assert landed(fetcher) == wanted


def test_nothing_but_wanted_packets_is_written(with_catalogue: Fetcher) -> None:
    with_catalogue("archive", ids=[sky.OLD])
    stored = [path for path in with_catalogue.landing.rglob("*") if path.is_file() and path.suffix in (".gz", ".tar", ".part")]
    assert not stored
    assert len(landed(with_catalogue)) == 6


def test_an_index_without_nights_is_a_failure(with_catalogue: Fetcher) -> None:
    with_catalogue.services.servers["archive"].fault = lambda _q, _r: Response(b"<html>moved</html>")
    summary = with_catalogue("archive")
    assert "lists no night" in summary.failures[0].reason


_CHILD = """
import sys
from pathlib import Path
from needle_assets.fetch import fetch
from needle_assets.settings import FetchSettings, ServiceSettings, Settings
url, landing, source = sys.argv[1:4]
asked = {name: ServiceSettings(url, interval_seconds=0.0, batch=2) for name in ("fink", "alerce", "alerce_packets", "archive")}
settings = Settings(fetch=FetchSettings(**asked))
most_kib = lambda: int(next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM")).split()[1])
before = most_kib()
summary = fetch(source, Path(landing), settings=settings)
print(summary.packets, most_kib() - before, summary.is_complete)
"""


def child(url: str, landing: Path, source: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _CHILD, url, str(landing), source], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the largest memory of a process is read from /proc")
def test_memory_stays_flat_over_a_large_night(with_catalogue: Fetcher) -> None:
    unknown = [sky.Seen("ZTF20zzzzzzz", 10**18 + n, 60400.0, 1, 19.0) for n in range(3)]
    sky.PLACES["ZTF20zzzzzzz"] = (1.0, 1.0)
    noise = [sky.packet_of(seen) + os.urandom(60_000) for seen in unknown]
    members = [(f"{n}.avro", noise[n % 3]) for n in range(4_000)]
    members[3_999] = ("last.avro", sky.packet_of(sky.DETECTIONS[sky.ACTIVE][0]))
    whole = tar_of(*members)
    assert len(whole) > 200e6
    server = Server(lambda request: sky.archive(request) if request.path == "/" else sky._ranged(request, whole, '"big"'))
    process = child(server.url, with_catalogue.landing, "archive")
    out, _ = process.communicate(timeout=300)
    server.close()
    n_packets, grown_kib, _ = out.split()
    assert int(n_packets) == 1
    assert int(grown_kib) < 12_000


def killing(answer: Callable[[Request], Response], at: int, victim: list[int]) -> Callable[[Request], Response]:
    """Answers, but at the given request kills the client instead."""
    number = [0]

    def made(request: Request) -> Response:
        number[0] += 1
        if number[0] == at:
            os.kill(victim[0], signal.SIGKILL)
        return answer(request)

    return made


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 3, 5, 9, 14])
def test_a_killed_fetch_goes_on_where_it_was(at: int, with_catalogue: Fetcher, new_fetcher: Callable[[str], Fetcher]) -> None:
    good = new_fetcher("good")
    good.landing.mkdir()
    (good.landing / "bts.csv").write_bytes(sky.bts_csv())
    good("fink")
    victim: list[int] = []
    server = Server(killing(sky.fink, at, victim))
    process = child(server.url, with_catalogue.landing, "fink")
    victim.append(process.pid)
    assert process.wait(60) == -signal.SIGKILL
    process.communicate()
    server.close()
    n_whole = len(list(with_catalogue.landing.rglob("*.avro")))
    summary = with_catalogue("fink")
    assert summary.is_complete
    assert n_whole + summary.packets == 12
    assert tree(with_catalogue.landing) == tree(good.landing)
