"""What is to be told of the files of a landing folder: what was read, refused and left unread, each with its reason in full."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb

from needle_assets.errors import Rejection
from needle_assets.landing.folder import LandingFile

STAGE = "landing"
_FILES_SHOWN = 5


class RefusedHere(NamedTuple):
    """Something refused in a file, under the object and packet it is of where that is known."""

    path: str
    member: str | None
    kind: str
    object_id: str | None
    candid: int | None
    reason: str


class Notice(NamedTuple):
    """Something to know of a file that nothing is wrong with."""

    path: str
    reason: str


@dataclass
class FilesTold:
    """
    What became of some files.

    Attributes
    ----------
    read, packets : int
        Files that were read, and packets found in them.
    refused : list
        What could not be used.
    unread : list
        Files that are not read, each with what is expected.
    notices : list
        What of the files that were read is not read: columns.
    files : dict
        Kind and number of packets by path.
    """

    read: int = 0
    packets: int = 0
    refused: list[RefusedHere] = field(default_factory=list)
    unread: list[Notice] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    files: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, path: str, kind: str, n_packets: int, notices: Iterable[str]) -> None:
        """Count a file and keep what is to be told of it."""
        self.read += kind != "unknown"
        self.packets += n_packets
        self.files[path] = (kind, n_packets)
        (self.unread if kind == "unknown" else self.notices).extend(Notice(path, notice) for notice in notices)

    def add_rejections(self, file: LandingFile, rejections: Iterable[Rejection]) -> None:
        """Keep what was refused in a file."""
        for why in rejections:
            member = why.measured.get("member")
            named = None if member is None else str(member)
            self.refused.append(RefusedHere(file.path, named, file.kind, why.object_id, why.candid, why.reason))

    def of(self, source: str) -> "FilesTold":
        """What is told of one kind of landed file: packets, catalogue, photometry or hosts."""
        kinds = ("packet", "archive", "unknown") if source == "packets" else (source,)
        read = {path: n_packets for path, (kind, n_packets) in self.files.items() if kind in kinds and kind != "unknown"}
        return FilesTold(
            len(read),
            sum(read.values()),
            [one for one in self.refused if one.kind in kinds],
            self.unread if source == "packets" else [],
            [one for one in self.notices if one.path in read],
        )

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "read": self.read,
            "packets": self.packets,
            "refused": [one._asdict() for one in self.refused],
            "unread": [one._asdict() for one in self.unread],
            "notices": [one._asdict() for one in self.notices],
        }


def as_lines(told: dict[str, Any], most: int = 20) -> list[str]:
    """
    What :meth:`FilesTold.as_dict` says as lines of text: what has one reason together, no reason cut.

    There are at most ``most`` lines each of what is refused, not read and to be known: many bad rows hide no unread column.
    """
    counted = (
        f"files: {told['read']} read, {told['packets']} packets, {len(told['refused'])} refused, {len(told['unread'])} not read"
    )
    lines = []
    for title, entries in (("refused", told["refused"]), ("not read", told["unread"]), ("notice", told["notices"])):
        by_reason: dict[str, list[str]] = {}
        for entry in entries:
            by_reason.setdefault(entry["reason"], []).append(_named(entry))
        said = [f"  {title}: {_shortened(names)}: {reason.removeprefix('not read: ')}" for reason, names in by_reason.items()]
        more = [f"  and {len(said) - most} more reasons; --json gives them all."] if len(said) > most else []
        lines += [*said[:most], *more]
    return [counted, *lines]


def _named(entry: dict[str, Any]) -> str:
    member = f" ({entry['member']})" if entry.get("member") else ""
    of = " ".join(str(entry[name]) for name in ("object_id", "candid") if entry.get(name))
    return f"{entry['path']}{member}{f' [{of}]' if of else ''}"


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _FILES_SHOWN} more" if len(names) > _FILES_SHOWN else ""
    return ", ".join(names[:_FILES_SHOWN]) + more


def standing(connection: duckdb.DuckDBPyConnection) -> FilesTold:
    """What holds of the landing folder as it was last looked at."""
    told = FilesTold()
    kinds: dict[str, str] = {}
    for path, kind, n_packets, notices in connection.execute(
        "select path, kind, n_packets, notices from lineage.landing_files order by path"
    ).fetchall():
        kinds[path] = kind
        told.add(path, kind, n_packets, notices)
    rows = connection.execute(
        "select measured->>'path', measured->>'member', measured->>'kind', object_id, candid, reason from core.rejections "
        "where stage = ? order by all",
        [STAGE],
    ).fetchall()
    told.refused = [RefusedHere(path, member, kind or kinds.get(path, "unknown"), *rest) for path, member, kind, *rest in rows]
    told.notices += waiting_hosts(connection)
    return told


def waiting_hosts(connection: duckdb.DuckDBPyConnection) -> list[Notice]:
    """What to say of hosts whose object is not there: an id may be misspelled, or its packets may still come."""
    found = connection.execute(
        "select path, count(*), count(*) filter (not is_there), min(object_id) filter (not is_there) from (select path, object_id, "
        "object_id in (select object_id from lineage.objects) as is_there from lineage.landing_rows where source = 'hosts') "
        "group by path having not bool_and(is_there) order by path"
    ).fetchall()
    return [
        Notice(
            path,
            f"{n_waiting} of its {n} objects (such as {first}) have neither packets nor photometry; their hosts wait for them.",
        )
        for path, n, n_waiting, first in found
    ]
