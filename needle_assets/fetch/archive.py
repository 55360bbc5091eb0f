"""The public archive of ZTF alerts: one ``.tar.gz`` of packets a night, read as a stream and filtered to known objects.

The archive is a folder on a web server whose index page lists ``ztf_public_YYYYMMDD.tar.gz``. A night holds up to a million
packets; those of known objects are written to ``alerts/<night>/<candid>.avro`` as they came, and nothing else is stored.
"""

import re
from collections.abc import Collection
from functools import partial
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around, FetchError
from needle_assets.fetch.download import Download
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service
from needle_assets.landing.archives import Member, read_archive
from needle_assets.landing.names import ALERTS_FOLDER
from needle_assets.landing.packets import read_packet
from needle_assets.landing.ztf_packets import checked_ztf_id
from needle_assets.settings import Settings
from needle_assets.surveys.ztf import ZTF

MAX_REASONS = 20

_NIGHT = re.compile(r"[0-9]{8}")
_LISTED = re.compile(rb"ztf_public_([0-9]{8})\.tar\.gz")
_ID_IN_BYTES = re.compile(ZTF.id_pattern.encode())
# In the first bytes of an Avro file: its records are packed, and an id cannot be seen from outside.
_PACKED = re.compile(rb"avro\.codec.(?!null)", re.DOTALL)
_HEADER_BYTES = 2**16


def fetch_archive(
    landing: Path,
    *,
    settings: Settings,
    ids: Collection[str] | None = None,
    nights: Collection[str] | None = None,
    around: Around | None = None,
) -> FetchSummary:
    """
    Packets of known objects (catalogue and followed ones, or ``ids``) from the nightly archives.

    Parameters
    ----------
    landing : Path
        The landing folder.
    settings : Settings
        Its section ``fetch``.
    ids : collection of str, optional
        Keep packets of these objects only.
    nights : collection of str, optional
        YYYYMMDD; read anew even if they were read before. Without it, the newest nights (``archive_nights``) that were not read
        yet, and those that failed before.
    around : Around, optional
        Clock, chance and who is told.

    Raises
    ------
    FetchError
        If no object is known, or a night is not given as YYYYMMDD.

    Notes
    -----
    A night is read once: what it holds of an object that becomes known later is told by the history in that object's later
    packets, or can be had by naming the night again.
    """
    around = around or Around()
    manners = settings.fetch
    with (
        running("archive", landing, settings, around) as run,
        Service("the archive", manners.archive, manners, around) as service,
    ):
        source = _Archive(run, service, _objects(run, ids))
        if nights is None:
            run.each([""], source.look, "nights")
        else:
            run.wanted = tuple(sorted({_checked_night(night) for night in nights}))
        if run.stopped is None:
            run.each(run.wanted, source.visit, "nights")
    return run.summary(service)


class _Archive:
    def __init__(self, run: Run, service: Service, ids: set[str]) -> None:
        self._run, self._service, self._ids = run, service, ids
        self._ids_in_bytes = {object_id.encode() for object_id in ids}
        self._landed = run.folder.landed_candids()

    def look(self, _place: str) -> None:
        """Find the nights that are wanted in the archive's index."""
        listed = self._run.attempt("the index of nights", partial(self._service.ask, "/", _nights_in), of=())
        newest = (listed or [])[-self._run.settings.fetch.archive_nights :]
        known = self._run.state["objects"]
        failed = {night for night, what in known.items() if what.get("again")}
        new = {night for night in newest if "asked" not in known.get(night, {})}
        self._run.wanted = tuple(sorted(new | (failed if listed is not None else set())))

    def visit(self, night: str) -> None:
        """Read one night."""
        self._run.attempt(f"night {night}", partial(self._night, night), of=(night,))

    def _night(self, night: str) -> None:
        counts = {"members": 0, "wanted": 0, "refused": 0}
        reasons: list[str] = []
        told = partial(self._tell, night, self._run.around.clock())
        download = Download(self._service, f"/ztf_public_{night}.tar.gz", told)
        try:
            for member in read_archive(download):  # type: ignore[arg-type]
                counts["members"] += 1
                try:
                    counts["wanted"] += self._take(night, member)
                except Rejection as why:
                    counts["refused"] += 1
                    reasons += [f"{member.name}: {why.reason}"][: MAX_REASONS - len(reasons)]
        except Rejection as why:
            raise AnswerError(f"night {night} after {counts['members']} packets: {why.reason}") from None
        finally:
            download.close()
        self._run.finish(night, **counts, refusals=reasons, n_objects=len(self._ids))

    def _tell(self, night: str, since: float, n_bytes: int, n_total: int) -> None:
        self._run.tell(f"MB of {night}", n_bytes // 10**6, max(n_total, n_bytes) // 10**6, since=since)

    def _take(self, night: str, member: Member) -> bool:
        """Whether a packet is one of a known object; it is then written, if it has not landed before."""
        if member.refusal is not None:
            raise member.refusal
        content = member.data or b""
        if not self._may_be_wanted(content):
            return False
        packet = read_packet(content)
        if packet.object_id not in self._ids:
            return False
        if packet.candid not in self._landed:
            path = self._run.folder.path / ALERTS_FOLDER / night / f"{packet.candid}.avro"
            self._run.packets += self._run.folder.write(path, content)
            self._landed.add(packet.candid)
        return True

    def _may_be_wanted(self, content: bytes) -> bool:
        """False if the bytes surely name no known object: twenty times faster than decoding the packet."""
        if _PACKED.search(content[:_HEADER_BYTES]):
            return True
        return any(found in self._ids_in_bytes for found in _ID_IN_BYTES.findall(content))


def _nights_in(content: bytes) -> list[str]:
    nights = sorted({night.decode() for night in _LISTED.findall(content)})
    if not nights:
        raise AnswerError(f"the archive's index of {len(content)} bytes lists no night.")
    return nights


def _objects(run: Run, ids: Collection[str] | None) -> set[str]:
    try:
        found = {row["object_id"] for row in run.folder.catalogue()} | set(run.folder.followed()) if ids is None else set(ids)
        found = {checked_ztf_id(object_id) for object_id in found}
    except Rejection as why:
        raise FetchError(why.reason) from None
    if not found:
        raise FetchError("no objects are known; fetch the catalogue first (needle fetch bts) or name objects.")
    return found


def _checked_night(night: str) -> str:
    if not _NIGHT.fullmatch(night):
        raise FetchError(f"night {night!r} is not given as YYYYMMDD.")
    return night
