"""Packets taken out of archives for the time of a refresh: an archive can only be read from its start, and chunks are many."""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from needle_assets.landing.folder import LandedPacket, read_members


def unpack(task: tuple[Path, Path, str, Mapping[str, str]]) -> None:
    """
    Put packets of one archive into a folder, as files named by their sha256; those that are there already are left alone.

    Parameters
    ----------
    task : (landing, unpacked, path, members)
        The landing folder, the folder to write to, the archive's path, and the sha256 of every wanted member.
    """
    landing, unpacked, path, members = task
    missing = [member for member, sha256 in members.items() if not _file(unpacked, sha256).exists()]
    # What cannot be read now, or found no space, is read from the archive by its stage, which says what is wrong.
    with contextlib.suppress(OSError):
        unpacked.mkdir(exist_ok=True)
        for landed in read_members(landing, path, missing):
            partial = unpacked / f"{landed.sha256}.{os.getpid()}"
            partial.write_bytes(landed.data)
            partial.replace(_file(unpacked, landed.sha256))


def read_unpacked(unpacked: Path, path: str, member: str, sha256: str) -> LandedPacket | None:
    """The packet if it was unpacked, whole and unchanged; None if it has to be read from its archive."""
    try:
        data = _file(unpacked, sha256).read_bytes()
    except OSError:
        return None
    return LandedPacket(path, member, sha256, len(data), data) if hashlib.sha256(data).hexdigest() == sha256 else None


def _file(unpacked: Path, sha256: str) -> Path:
    return unpacked / f"{sha256}.avro"
