"""Packets from a stream: on the disk before the broker is told, whatever happens; librdkafka's own brokers, no others."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from needle_assets.fetch import Around, FetchError, FetchSummary
from needle_assets.fetch.stream.consumer import Consumer
from needle_assets.landing.folder import LandedPacket, read_packet_file, scan
from needle_assets.landing.packets import read_packet
from needle_assets_tests import lsst
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.stream.conftest import Cluster, Reader

pytestmark = pytest.mark.slow

PACKETS = [sky.packet_of(seen) for seen in sky.DETECTIONS[sky.ACTIVE][:4]]
NAMES = [f"{sky.ACTIVE}/{seen.candid}.avro" for seen in sky.DETECTIONS[sky.ACTIVE][:4]]
LANDED = dict(zip(NAMES, PACKETS, strict=True))


def test_each_message_lands_once_and_the_next_run_goes_on_behind_it(cluster: Cluster, reader: Reader) -> None:
    cluster.send("next", *PACKETS[:3])
    assert reader("next").packets == 3
    cluster.send("next", PACKETS[3], PACKETS[0])  # a new one, and one that is delivered twice
    again = reader("next")
    assert (again.packets, again.is_complete) == (1, True)
    assert reader.packets == LANDED
    assert cluster.place("next", "next") == 5


def test_packets_of_both_surveys_land_as_the_reader_of_the_folder_wants_them(cluster: Cluster, reader: Reader) -> None:
    lsst.write_schema(reader.landing / "schemas")
    cluster.send("both", PACKETS[0], lsst.message())
    assert reader("both").packets == 2
    read = [p for f in scan(reader.landing) if f.kind == "packet" for p in read_packet_file(reader.landing, f)]
    found = {read_packet(p.data, reader.landing / "schemas").survey for p in read if isinstance(p, LandedPacket)}
    assert found == {"ztf", "lsst"}


def test_a_poisoned_message_is_kept_aside_with_all_it_came_with_and_stops_nothing(cluster: Cluster, reader: Reader) -> None:
    cluster.send("poison", PACKETS[0], b"<b>rubbish", PACKETS[1][:5000], None, lsst.message(number=999))
    cluster.send("poison", PACKETS[1], headers=[("schema", b"v1")])
    cluster.send("poison", b"\0" * 100, headers=[("schema", b"v1"), ("none", None)], key=b"key")
    summary = reader("poison")
    assert (summary.packets, len(summary.aside), summary.is_complete) == (2, 5, True)
    kept = {name: data for name, data in reader.packets.items() if name.startswith("aside/")}
    assert list(kept.values()) == [b"<b>rubbish", PACKETS[1][:5000], b"", lsst.message(number=999), b"\0" * 100]
    told = json.loads((reader.landing / "answers/kafka/aside/0-6-poison.json").read_bytes())
    assert (told["key_base64"], told["headers_base64"]) == ("a2V5", [["schema", "djE="], ["none", ""]])


def test_other_contents_under_one_number_lie_beside_the_first(cluster: Cluster, reader: Reader) -> None:
    anew = sky.packet_of(replace(sky.DETECTIONS[sky.ACTIVE][0], mag=17.0))
    cluster.send("anew", PACKETS[0], anew, PACKETS[0], anew)
    assert reader("anew").packets == 2
    assert sorted(reader.packets.values()) == sorted([PACKETS[0], anew])


def test_a_place_is_committed_only_when_file_and_folders_are_synced(
    cluster: Cluster, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(os.path.realpath(f"/proc/self/fd/{file}")))
    commit = Consumer.commit
    monkeypatch.setattr(Consumer, "commit", lambda self, batch: (synced.append("commit"), commit(self, batch)))
    cluster.send("synced", PACKETS[0])
    reader("synced")
    before = synced[: synced.index("commit")]
    folders = [
        reader.landing / "alerts/kafka" / sky.ACTIVE,
        reader.landing / "alerts/kafka",
        reader.landing / "alerts",
        reader.landing,
    ]
    assert before[-4:] == [str(folder) for folder in folders]
    assert before[-5].endswith(f".{Path(NAMES[0]).name}.part")


KILLED = """
import os, signal
from needle_assets.fetch.stream.consumer import Consumer
commit = Consumer.commit
def dying(self, batch):
    os.kill(os.getpid(), getattr(signal, os.environ["DIES_BY"]))
    import time; time.sleep(20)
Consumer.commit = dying
from needle_assets.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_who_dies_between_writing_and_committing_loses_and_doubles_nothing(
    name: str, cluster: Cluster, reader: Reader, tmp_path: Path
) -> None:
    cluster.send(name, *PACKETS)
    (tmp_path / "settings.toml").write_text(f'[fetch.kafka]\nservers = "{cluster.servers}"\nbatch = 2\n')
    asked = ["fetch", "kafka", "--landing", str(reader.landing), "--topics", name, "--group", name]
    environment = {**os.environ, "NEEDLE_HOME": str(tmp_path), "DIES_BY": name}
    done = subprocess.run([sys.executable, "-c", KILLED, *asked], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == {"SIGKILL": -signal.SIGKILL, "SIGTERM": 128 + signal.SIGTERM}[name], done.stderr
    n_written = len(reader.packets)
    assert 0 < n_written < 4
    assert cluster.place(name, name) < 0
    assert reader(name).packets == 4 - n_written
    assert reader.packets == LANDED


def test_two_members_share_what_there_is_and_lose_nothing_when_one_joins(
    cluster: Cluster, new_reader: Callable[[str], Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_reader("first"), new_reader("second")
    packets = [sky.packet_of(replace(sky.DETECTIONS[sky.ACTIVE][0], candid=10**18 + number)) for number in range(24)]
    for number, packet in enumerate(packets):
        cluster.send("shared", packet, partition=number % 4)
    slow = Consumer.commit
    monkeypatch.setattr(Consumer, "commit", lambda self, batch: (slow(self, batch), threading.Event().wait(0.4)))
    summaries: list[FetchSummary] = []
    threads = [threading.Thread(target=lambda r=r: summaries.append(r("shared"))) for r in (first, second)]
    threads[0].start()
    threading.Event().wait(4.0)  # the first has its partitions and is reading
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert [summary.is_complete for summary in summaries] == [True, True]
    assert sorted({**first.packets, **second.packets}.values()) == sorted(packets)


def test_who_begins_at_the_newest_message_keeps_that_place(cluster: Cluster, reader: Reader) -> None:
    cluster.send("newest", PACKETS[0])
    assert reader("newest", start="newest").packets == 0
    cluster.send("newest", PACKETS[1])
    assert reader("newest", start="newest").packets == 1
    assert list(reader.packets) == [NAMES[1]]


def test_a_folder_has_its_own_group_which_it_keeps(cluster: Cluster, new_reader: Callable[[str], Reader]) -> None:
    cluster.send("own", PACKETS[0])
    assert [new_reader(name)("own", group="").packets for name in ("one", "other", "one")] == [1, 1, 0]


def test_a_broker_that_is_away_is_one_sentence_at_the_start(reader: Reader, capfd: pytest.CaptureFixture[str]) -> None:
    reader.servers = "127.0.0.1:1"
    with pytest.raises(FetchError, match=r"^no broker answers at 127\.0\.0\.1:1 \(.*refused.*\); look at servers"):
        reader("any", timeout=1.0)
    assert capfd.readouterr() == ("", "")


def test_a_broker_that_goes_away_ends_the_run_and_what_came_is_kept(new_reader: Callable[[str], Reader]) -> None:
    mortal = Cluster()
    mortal.send("mortal", *PACKETS)
    reader = replace(new_reader("landing"), servers=mortal.servers)
    reader.around = Around(environment={}, progress=lambda _progress: mortal.producer.close())
    summary = reader("mortal", timeout=2.0, follow=True)
    assert re.fullmatch(
        r"nothing came from 127.* for \d+ s \(.*\); what came before is stored, run it again to go on\.", summary.stopped or ""
    )
    assert len(reader.packets) == summary.packets >= 2


def test_a_topic_that_is_not_there_is_told_beside_those_that_are(cluster: Cluster, reader: Reader) -> None:
    cluster.send("there", PACKETS[0])
    with pytest.raises(FetchError, match=r"no topic absent; it has \w+"):
        reader("absent")
    with pytest.raises(FetchError, match="no pattern that can be read"):
        reader("^(")
    assert reader("^ther").packets == 1


def test_a_full_disk_commits_nothing_and_the_next_run_gets_all(
    cluster: Cluster, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.send("full", *PACKETS)
    with monkeypatch.context() as full:
        full.setattr("needle_assets.fetch.folder.LandingFolder.write", no_room)
        full.setattr("needle_assets.fetch.run.Run.save", lambda _run: None)
        assert "No space left on device" in str(reader("full").stopped)
    assert reader("full").packets == 4


def no_room(*_given: object) -> bool:
    raise OSError(28, "No space left on device")
