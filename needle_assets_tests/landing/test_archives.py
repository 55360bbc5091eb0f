"""Tar archives from strangers, read as a stream."""

import errno
import gzip
import io
import tarfile
from functools import partial

import pytest

from needle_assets.errors import Rejection
from needle_assets.landing import archives
from needle_assets.landing.archives import MAX_MEMBER_BYTES, Member, read_archive

# A parameter's bytes are part of its test's name: no time of day in them.
compressed = partial(gzip.compress, mtime=0)


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, compressed: bool = True, tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of named contents, or of bare headers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz" if compressed else "w", format=tar_format) as archive:
        for member in members:
            info, content = (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    """A header of a link, device or directory."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def members(data: bytes) -> list[Member]:
    return list(read_archive(io.BytesIO(data)))


def until_refused(data: bytes) -> tuple[list[Member], str]:
    """The members before the archive is refused, and the sentence of the refusal."""
    found = []
    try:
        for member in read_archive(io.BytesIO(data)):
            found.append(member)
    except Rejection as why:
        return found, why.reason
    return found, "not refused"


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_come_out_as_they_went_in(compressed, tar_format):
    given = [("a.avro", b"x" * 513), ("night/" + "n" * 90 + ".avro", b""), ("c.avro", bytes(1024))]
    found = members(tar(*given, compressed=compressed, tar_format=tar_format))
    assert [(m.name, m.data) for m in found] == given


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(tar_format):
    name = "/".join(["folder" * 5] * 7) + ".avro"
    assert [m.name for m in members(tar((name, b"1"), ("b.avro", b"2"), tar_format=tar_format))] == [name, "b.avro"]


@pytest.mark.parametrize(
    "name", ["../../x.avro", "/etc/x.avro", "a/../../x.avro", "..\\x.avro", "C:/x.avro", "a\nb.avro", "\x1b[2J.avro"]
)
def test_names_that_lead_elsewhere_are_refused_and_the_rest_is_read(name):
    first, second = members(tar((name, b"bad" * 1000), ("good.avro", b"good")))
    assert (first.data, second.data) == (None, b"good")
    assert first.refusal is not None


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind):
    first, second = members(tar(special("x.avro", kind), ("good.avro", b"good")))
    assert "only regular files" in first.refusal.reason
    assert second.data == b"good"


def test_directories_are_passed_over():
    assert [m.name for m in members(tar(special("night", tarfile.DIRTYPE), ("night/a.avro", b"1")))] == ["night/a.avro"]


def test_a_name_that_comes_twice_counts_once():
    first, second = members(tar(("a.avro", b"1"), ("a.avro", b"2")))
    assert (first.data, second.data) == (b"1", None)


def test_an_oversized_member_is_passed_over():
    big, small = members(tar(("big.avro", bytes(MAX_MEMBER_BYTES + 1)), ("small.avro", b"1")))
    assert big.refusal.measured == {"n_bytes": MAX_MEMBER_BYTES + 1}
    assert small.data == b"1"


@pytest.mark.parametrize("compressed", [True, False])
def test_an_archive_that_ends_early_gives_the_members_before(compressed, rng):
    data = tar(*((f"{k}.avro", rng.bytes(2000)) for k in range(50)), compressed=compressed)
    found, reason = until_refused(data[: len(data) // 2])
    assert "ends early" in reason
    assert [member.name for member in found] == [f"{k}.avro" for k in range(len(found))]
    assert 20 <= len(found) <= 30


def test_an_archive_cut_between_two_members_is_not_taken_for_whole():
    data = tar(("a.avro", bytes(512)), ("b.avro", bytes(512)), compressed=False)
    found, reason = until_refused(data[:1024])
    assert ([member.name for member in found], "ends early" in reason) == (["a.avro"], True)


def test_what_follows_the_end_mark_is_not_passed_over_in_silence():
    data = tar(("a.avro", b"1"), compressed=False)
    found, reason = until_refused(data + data)
    assert (len(found), "end mark" in reason) == (1, True)


def test_a_wrong_checksum_is_found():
    data = bytearray(tar(("a.avro", b"1")))
    data[-8] ^= 1
    found, reason = until_refused(bytes(data))
    assert (len(found), "damaged" in reason) == (1, True)


def test_an_archive_that_unpacks_to_far_more_than_it_is_stops(monkeypatch):
    monkeypatch.setattr(archives, "FREE_UNPACKED_BYTES", 2**20)
    bomb = tar(*((f"{k}.avro", bytes(2**20)) for k in range(60)))
    found, reason = until_refused(bomb)
    assert "times its size" in reason
    assert len(found) < 55


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"\x1f\x8b" + b"x" * 100, b"x" * 512, b"\xff" * 2048, compressed(b"hello")])
def test_what_is_no_archive_is_refused(data):
    found, reason = until_refused(data)
    assert found == []
    assert reason != "not refused"


def _sum_up(header: bytearray) -> None:
    """Give a header the checksum of what it says."""
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()


def test_a_negative_size_is_damage_and_ends_it():
    header = bytearray(tar(("a.avro", b"1"), compressed=False)[:512])
    header[124:136] = b"\xff" * 12  # base-256, minus one
    _sum_up(header)
    with pytest.raises(Rejection, match=r"negative|header"):
        members(bytes(header) + bytes(1024))


def test_a_large_extension_header_is_not_read():
    info = tarfile.TarInfo("a.avro")
    info.pax_headers = {"comment": "x" * 2**17}
    with pytest.raises(Rejection, match="extension header"):
        members(tar(info, tar_format=tarfile.PAX_FORMAT))


def test_an_extension_header_that_is_none_is_damage():
    data = tar(("x.avro", b"not a record of an extension header"), ("y.avro", b"2"), compressed=False)
    header = bytearray(data[:512])
    header[156:157] = tarfile.XHDTYPE
    _sum_up(header)
    found, reason = until_refused(bytes(header) + data[512:])
    assert (found, "extension header" in reason) == ([], True)


def test_a_directory_with_content_is_refused():
    data = tar(("x.avro", b"1"), compressed=False)
    header = bytearray(data[:512])
    header[156:157] = tarfile.DIRTYPE
    _sum_up(header)
    (found,) = members(bytes(header) + data[512:])
    assert "directory with content" in found.refusal.reason


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"BZh91AY&SY", b"\xfd7zXZ\0", b"plain"])
def test_a_disk_that_fails_is_no_damage_of_the_file(start):
    class Failing(io.BytesIO):
        def read(self, n_bytes=-1):
            if self.tell() or n_bytes != 6:
                raise OSError(errno.ESTALE, "Stale file handle")
            return super().read(n_bytes)

        def seek(self, *_given):
            return super().seek(1)

    with pytest.raises(OSError, match="Stale file handle"):
        archives.Unpacked(Failing(start), "file").read(100)
