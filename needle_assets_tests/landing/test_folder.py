"""A landing folder as it lies."""

import bz2
import gzip
import hashlib
import lzma
import os
import time
from pathlib import Path

import pytest

from needle_assets.errors import Rejection
from needle_assets.landing import folder as landing
from needle_assets.landing.folder import (
    LandedPacket,
    LandingFile,
    catalogue_in,
    read_members,
    read_packet_file,
    scan,
)
from needle_assets.landing.names import kind_of
from needle_assets.landing.packets import read_packet
from needle_assets_tests.landing.test_archives import tar
from needle_assets_tests.packets import avro, packet, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A landing folder with a catalogue, one packet and one nightly archive of two."""
    (tmp_path / "alerts" / "2020").mkdir(parents=True)
    (tmp_path / "bts.csv").write_text("ZTFID\n")
    (tmp_path / "alerts" / "1.avro").write_bytes(packet(candid=1))
    (tmp_path / "alerts" / "2020" / "night.tar.gz").write_bytes(tar(("2.avro", packet(candid=2)), ("d/3.avro", packet(candid=3))))
    return tmp_path


def found(folder: Path) -> dict[str, LandingFile]:
    return {file.path: file for file in scan(folder)}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("bts.csv", "catalogue"), ("photometry.parquet", "photometry"), ("photometry.csv", "photometry"), ("hosts.csv", "hosts"),
        ("alerts/1.avro", "packet"), ("alerts/a/b/1.AVRO", "packet"), ("alerts/n.tar.gz", "archive"), ("alerts/n.tgz", "archive"),
        ("alerts/n.tar", "archive"), ("README.md", "unknown"), ("truth/objects.csv", "unknown"),
        ("1.avro", "packet"), ("n.tar.gz", "archive"),
        ("Alerts/1.avro", "packet"), ("BTS.csv", "catalogue"), ("alerts/1.avro.gz", "packet"), ("alerts/n.tar.bz2", "archive"),
        ("alerts/n.txz", "archive"), ("hosts.parquet", "hosts"), ("photometry.csv.gz", "photometry"), ("old/1.avro", "unknown"),
        ("alerts/._1.avro", "unknown"), ("alerts/__MACOSX/1.avro", "unknown"), ("alerts/1.json", "unknown"),
        ("old/bts.csv", "unknown"), ("alerts/1.avro.tmp", "unknown"), ("alerts/.1.avro", "unknown"),
        ("alerts/.cache/1.avro", "unknown"),
        ("alerts/1.avro.part", "unknown"), ("bts.csv~", "unknown"), ("alerts/bts.csv", "unknown"),
    ],
)  # fmt: skip
def test_a_file_is_known_by_where_it_lies_and_its_name(path, kind):
    assert kind_of(path) == kind


def test_a_scan_finds_every_file_with_size_and_time(folder):
    files = found(folder)
    assert {path: file.kind for path, file in files.items()} == {
        "bts.csv": "catalogue",
        "alerts/1.avro": "packet",
        "alerts/2020/night.tar.gz": "archive",
    }
    there = (folder / "alerts/1.avro").stat()
    assert files["alerts/1.avro"][1:3] == (there.st_size, there.st_mtime_ns)
    assert all(file.problem is None for file in files.values())


def test_links_that_lead_outside_are_not_followed(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "4.avro").write_bytes(packet(candid=4))
    (folder / "alerts" / "4.avro").symlink_to(outside / "4.avro")
    (folder / "alerts" / "more").symlink_to(outside)
    (folder / "alerts" / "loop").symlink_to(folder / "alerts")
    (folder / "alerts" / "gone.avro").symlink_to("nowhere")
    files = found(folder)
    for name in ("4.avro", "more", "loop", "gone.avro"):
        assert files[f"alerts/{name}"].kind == "unknown"
        assert "link" in files[f"alerts/{name}"].problem
    (refused,) = read_packet_file(folder, files["alerts/4.avro"])
    assert "leads out" in refused.reason


def test_a_link_to_a_table_inside_is_that_table(folder):
    (folder / "data").mkdir()
    (folder / "data" / "mine.csv").write_text("")
    (folder / "photometry.csv").symlink_to(folder / "data" / "mine.csv")
    assert found(folder)["photometry.csv"].kind == "photometry"


def test_a_link_to_a_packet_that_is_read_itself_is_told_and_not_read_twice(folder):
    (folder / "alerts" / "same.avro").symlink_to(folder / "alerts" / "1.avro")
    file = found(folder)["alerts/same.avro"]
    assert (file.kind, file.problem) == ("unknown", None)
    assert "alerts/1.avro" in file.notice


def test_what_is_no_regular_file_is_reported_and_never_opened(folder):
    os.mkfifo(folder / "alerts" / "pipe.avro")
    file = found(folder)["alerts/pipe.avro"]
    assert (file.kind, file.problem) == ("unknown", "this is not a regular file.")
    (refused,) = read_packet_file(folder, file._replace(kind="packet"))
    assert "not a regular file" in refused.reason


def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_is_found(folder, monkeypatch):
    real = os.scandir

    def closed(path):
        if str(path).endswith("2020"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(landing.os, "scandir", closed)
    files = found(folder)
    assert "cannot be read" in files["alerts/2020"].problem
    assert files["alerts/1.avro"].kind == "packet"


def test_names_that_cannot_be_written_are_reported(folder):
    (Path(os.fsdecode(os.fsencode(folder) + b"/alerts")) / os.fsdecode(b"\xff\xfe.avro")).write_bytes(b"")
    (folder / "alerts" / "a\nb.avro").write_bytes(b"")
    odd = [file for file in scan(folder) if file.problem]
    assert len(odd) == 2
    assert all(file.path.isprintable() and file.kind == "unknown" for file in odd)


def test_parquet_goes_before_csv(folder):
    (folder / "photometry.csv").write_text("")
    assert found(folder)["photometry.csv"].kind == "photometry"
    (folder / "photometry.parquet").write_bytes(b"")
    assert (found(folder)["photometry.csv"].kind, found(folder)["photometry.parquet"].kind) == ("unknown", "photometry")


def test_an_empty_and_a_missing_folder_have_no_files(tmp_path):
    assert list(scan(tmp_path)) == []
    (missing,) = scan(tmp_path / "nowhere")
    assert "cannot be read" in missing.problem


def test_a_packet_file_is_its_bytes_and_their_hash(folder):
    (landed,) = read_packet_file(folder, found(folder)["alerts/1.avro"])
    data = (folder / "alerts/1.avro").read_bytes()
    assert landed == LandedPacket("alerts/1.avro", None, hashlib.sha256(data).hexdigest(), len(data), data)


def test_an_archive_is_its_members(folder):
    landed = list(read_packet_file(folder, found(folder)["alerts/2020/night.tar.gz"]))
    assert [item.member for item in landed] == ["2.avro", "d/3.avro"]
    assert [read_packet(item.data).candid for item in landed] == [2, 3]


def test_a_bad_member_is_refused_and_the_others_are_read(folder):
    data = tar(("../../x.avro", b"1"), ("note.txt", b"2"), ("5.avro", packet(candid=5)))
    (folder / "alerts" / "bad.tar").write_bytes(data)
    first, second, third = read_packet_file(folder, found(folder)["alerts/bad.tar"])
    assert isinstance(first, Rejection)
    assert "leads out" in first.reason
    assert "avro" in second.reason
    assert third.member == "5.avro"


def test_a_truncated_archive_gives_what_it_holds_and_one_refusal(folder, rng):
    data = tar(*((f"{k}.avro", rng.bytes(3000)) for k in range(20)))
    (folder / "alerts" / "cut.tgz").write_bytes(data[: len(data) // 2])
    *landed, last = read_packet_file(folder, found(folder)["alerts/cut.tgz"])
    assert [item.member for item in landed] == [f"{k}.avro" for k in range(len(landed))]
    assert (last.measured.get("member"), "early" in last.reason) == (None, True)


def test_a_vanished_file_is_refused(folder):
    file = found(folder)["alerts/1.avro"]
    (folder / "alerts/1.avro").unlink()
    (refused,) = read_packet_file(folder, file)
    assert "No such file" in refused.reason


def test_a_large_file_of_something_else_says_so(folder):
    (folder / "alerts" / "big.avro").write_bytes(bytes(9 * 2**20))
    (refused,) = read_packet_file(folder, found(folder)["alerts/big.avro"])
    assert "does not start as an Avro container" in refused.reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("alerts/1.json", "Avro"), ("alerts/n.zip", "unpack it"), ("alerts/n.tar.zst", "zstd"), ("alerts/1.fits", ".avro"),
        ("hosts.txt", "hosts.csv"), ("bts_2024.csv", "bts.csv"), ("old/1.avro", "below alerts/"), ("1.json", "Avro"),
    ],
)  # fmt: skip
def test_a_near_miss_says_what_is_expected(folder, path, expected):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(b"{}")
    assert (found(folder)[path].kind, expected in found(folder)[path].notice) == ("unknown", True)


@pytest.mark.parametrize(
    "path",
    ["README.txt", "alerts/README.md", "alerts/._1.avro", ".DS_Store", "alerts/.DS_Store", "alerts/2.avro.part", "truth/objects.parquet",
     "alerts/__MACOSX/1.avro", "Thumbs.db", "LICENSE"],
)  # fmt: skip
def test_what_nobody_takes_for_data_is_passed_over(folder, path):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(b"x")
    assert found(folder)[path][3:] == ("unknown", None, None)


@pytest.mark.parametrize(
    ("present", "read", "left"),
    [
        (("photometry.csv", "photometry.parquet"), "photometry.parquet", "photometry.csv"),
        (("photometry.csv.gz", "photometry.csv"), "photometry.csv", "photometry.csv.gz"),
        (("Hosts.csv", "hosts.csv"), "hosts.csv", "Hosts.csv"),
        (("BTS.csv", "bts.csv"), "bts.csv", "BTS.csv"),
    ],
)
def test_of_several_tables_of_a_kind_one_is_read_and_the_others_are_told(folder, present, read, left):
    for name in present:
        (folder / name).write_text("")
    files = found(folder)
    assert (files[read].kind != "unknown", files[read].notice) == (True, None)
    assert (files[left].kind, files[left].problem) == ("unknown", None)
    assert read in files[left].notice


def test_the_catalogue_is_found_whatever_the_case_of_its_name(folder):
    (folder / "bts.csv").rename(folder / "BTS.CSV")
    assert catalogue_in(folder) == folder / "BTS.CSV"
    assert catalogue_in(folder / "alerts") is None


_PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("pack", _PACK.values(), ids=_PACK.keys())
def test_compressed_packets_and_archives_are_their_packets(folder, pack):
    data = tar(("4.avro", packet(candid=4)), ("5.avro.gz", gzip.compress(packet(candid=5))), compressed=False)
    alone = packet(candid=3)
    for name, content in (("3.avro.gz", alone), ("night.tar.gz", data)):
        (folder / "alerts" / name).write_bytes(pack(content))
    files = found(folder)
    (single,) = read_packet_file(folder, files["alerts/3.avro.gz"])
    members = list(read_packet_file(folder, files["alerts/night.tar.gz"]))
    assert [read_packet(item.data).candid for item in (single, *members)] == [3, 4, 5]
    assert single.data == alone


@pytest.mark.parametrize("pack", _PACK.values(), ids=_PACK.keys())
def test_a_compressed_packet_that_is_cut_off_is_refused(folder, pack):
    (folder / "alerts" / "3.avro.gz").write_bytes(pack(packet(candid=3))[:-100])
    (refused,) = read_packet_file(folder, found(folder)["alerts/3.avro.gz"])
    assert "early" in refused.reason or "damaged" in refused.reason


@pytest.mark.parametrize("pack", _PACK.values(), ids=_PACK.keys())
def test_a_compressed_bomb_is_not_unpacked(folder, pack):
    (folder / "alerts" / "bomb.tar.gz").write_bytes(
        pack(tar(("1.avro", bytes(60 * 2**20)), ("2.avro", bytes(60 * 2**20)), compressed=False))
    )
    refusals = [
        item.reason for item in read_packet_file(folder, found(folder)["alerts/bomb.tar.gz"]) if isinstance(item, Rejection)
    ]
    assert any("times its size" in reason for reason in refusals)


@pytest.mark.parametrize("name", ["many.avro", "many.avro.gz", "many.tar"])
def test_a_file_of_many_packets_may_be_of_any_size(folder, monkeypatch, name):
    monkeypatch.setattr(landing, "MAX_FILE_BYTES", 50_000)
    data = avro([record(candid=k) | {"candid": k} for k in range(1, 40)])
    content = {"many.avro": data, "many.avro.gz": gzip.compress(data), "many.tar": tar(("m.avro", data))}[name]
    (folder / "alerts" / name).write_bytes(content)
    found_here = list(read_packet_file(folder, found(folder)[f"alerts/{name}"]))
    assert [read_packet(item.data).candid for item in found_here] == list(range(1, 40))
    assert len({(item.member, item.sha256) for item in found_here}) == 39
    wanted = {found_here[7].member, found_here[20].member}
    assert [read_packet(item.data).candid for item in read_members(folder, f"alerts/{name}", wanted)] == [8, 21]


def test_what_macos_adds_to_an_archive_is_passed_over(folder):
    extras = [(name, b"x") for name in ("./._6.avro", "__MACOSX/._6.avro", "./PaxHeader/6.avro", ".DS_Store")]
    (folder / "alerts" / "mac.tar").write_bytes(tar(extras[0], ("./6.avro", packet(candid=6)), *extras[1:]))
    (landed,) = read_packet_file(folder, found(folder)["alerts/mac.tar"])
    assert read_packet(landed.data).candid == 6


def test_members_are_read_again_in_one_pass(folder):
    path = "alerts/2020/night.tar.gz"
    assert [item.member for item in read_members(folder, path, {"d/3.avro"})] == ["d/3.avro"]
    assert [item.member for item in read_members(folder, path, None)] == ["2.avro", "d/3.avro"]
    assert list(read_members(folder, path, set())) == []
    for single in ({None}, {""}, None):
        assert [item.member for item in read_members(folder, "alerts/1.avro", single)] == [None]


@pytest.mark.parametrize(
    ("path", "members"), [("alerts/gone.avro", None), ("alerts/2020/night.tar.gz", {"9.avro"}), ("../x", None)]
)
def test_what_was_read_before_and_is_gone_is_an_error(folder, path, members):
    with pytest.raises(FileNotFoundError):
        list(read_members(folder, path, members))


def test_reading_writes_nothing(folder):
    before = sorted((str(p), p.lstat().st_mtime_ns) for p in folder.rglob("*"))
    for file in scan(folder):
        list(read_packet_file(folder, file))
    assert sorted((str(p), p.lstat().st_mtime_ns) for p in folder.rglob("*")) == before


@pytest.mark.slow
def test_a_scan_of_32000_files_takes_less_than_a_second(tmp_path):
    for night in range(100):
        (tmp_path / "alerts" / str(night)).mkdir(parents=True)
        for k in range(320):
            (tmp_path / "alerts" / str(night) / f"{k}.avro").touch()
    started = time.perf_counter()
    assert sum(file.kind == "packet" for file in scan(tmp_path)) == 32_000
    assert time.perf_counter() - started < 1.0


def test_the_real_survey_is_646_packets_and_three_tables(survey):
    kinds = [file.kind for file in scan(survey)]
    assert {kind: kinds.count(kind) for kind in ("packet", "catalogue", "photometry", "hosts")} == {
        "packet": 646,
        "catalogue": 1,
        "photometry": 1,
        "hosts": 1,
    }
    assert not any(
        isinstance(item, Rejection) for file in scan(survey) if file.kind == "packet" for item in read_packet_file(survey, file)
    )
