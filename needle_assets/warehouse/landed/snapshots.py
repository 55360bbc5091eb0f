"""Whether a landed snapshot (bts.csv, photometry, hosts) is believed. One that is not leaves the rows of before as they were."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

import duckdb
import pyarrow as pa

from needle_assets.errors import as_json
from needle_assets.landing.folder import LandingFile
from needle_assets.landing.found import FileReport
from needle_assets.warehouse.connection import transaction
from needle_assets.warehouse.landed.files import STAGE
from needle_assets.warehouse.rows import SNAPSHOTS, now
from needle_assets.warehouse.schema import bump_change

SOURCES = SNAPSHOTS
# One object, one row or two values of a column may always go: of few, one is more than any share.
LEAST_LOST, LEAST_VALUES_LOST = 2, 3
# An object that gets its label has no reason any more to have none.
_NOT_COUNTED = ("rows", "objects", "label_reason")
_KEPT = "stage = ? and (measured->>'is_kept') = 'true'"


def vanished(connection: duckdb.DuckDBPyConnection, there: Collection[LandingFile]) -> list[LandingFile]:
    """Snapshots whose rows are known and of whose kind no file is there any more."""
    kinds = {file.kind for file in there}
    known = connection.execute("select distinct source, path from lineage.landing_rows order by all").fetchall()
    return [LandingFile(path, 0, 0, source) for source, path in known if source not in kinds]


def _gone(file: LandingFile) -> str:
    """Why a vanished snapshot changes nothing, in a sentence."""
    return (
        f"{file.path} was read before and is gone from the landing folder; the rows read from it are kept. "
        "Put it back, or drop its rows with `needle refresh --accept-shrunken`."
    )


def doubt(
    connection: duckdb.DuckDBPyConnection, report: FileReport, objects: Collection[str], *, largest_loss: float, accept: bool
) -> str | None:
    """
    Why a snapshot that says something of ``objects`` is not believed, in a sentence; None if it is.

    It is not if it cannot be read, or if it is gone or lost more than the share ``largest_loss`` of the objects, of the rows of those
    that are still there, or of the values of a column that it had, in one step or in several, unless somebody said that this is
    right (``accept``).
    """
    before, held = _before(connection, report.file.kind), _most_held(connection, report.file.kind)
    if not report.is_readable:
        kept = "the rows read before are kept" if before else "nothing of it is stored"
        return f"{report.rejections[0].reason.rstrip('. ')}; {kept}, and it is looked at again by the next refresh."
    if accept:
        return None
    if report.is_vanished:
        return _gone(report.file)
    n_lost = len(before.keys() - set(objects))
    least = LEAST_LOST if objects else 1
    said = (
        _share(n_lost, len(before), "objects", largest_loss, least=least)
        or _lost_rows(before, report.rows_of, largest_loss)
        or _share(
            held.get("objects", 0) - len(objects), held.get("objects", 0), "objects, step by step", largest_loss, least=least
        )
        or _lost_values(held, report.held, largest_loss)
    )
    return said and (
        f"{report.file.path} lost {said}, and that is not believed; the rows read before are kept. "
        "If it is right, refresh with --accept-shrunken; else get the file again."
    )


def with_most_held(connection: duckdb.DuckDBPyConnection, report: FileReport) -> FileReport:
    """What is remembered of a snapshot that is believed for what it says, not because somebody accepts that it shrank."""
    held, rows_of = _most_held(connection, report.file.kind), _before(connection, report.file.kind)
    return replace(
        report,
        held={name: max(count, held.get(name, 0)) for name, count in report.held.items()},
        rows_of={object_id: max(n, rows_of.get(object_id) or 0) for object_id, n in report.rows_of.items()},
    )


def _lost_rows(before: Mapping[str, int | None], now: Mapping[str, int], largest_loss: float) -> str | None:
    """What went of the objects that are still there; new rows of others do not make up for it."""
    counted = [(n, now[object_id]) for object_id, n in before.items() if n is not None and object_id in now]
    n_lost = sum(max(n_before - n_now, 0) for n_before, n_now in counted)
    return _share(n_lost, sum(n for n, _ in counted), "rows", largest_loss)


def _lost_values(before: Mapping[str, int], now: Mapping[str, int], largest_loss: float) -> str | None:
    """What went of the columns, beyond what went with the rows."""
    kept = min(now.get("rows", 0) / max(before.get("rows", 0), 1), 1.0)
    expected = {name: int(count * kept) for name, count in before.items() if name not in _NOT_COUNTED}
    said = [
        _share(count - now.get(name, 0), count, f"values of {name}", largest_loss, least=LEAST_VALUES_LOST)
        for name, count in expected.items()
    ]
    return ", ".join(filter(None, said)) or None


def _share(n_lost: int, n_before: int, what: str, largest_loss: float, *, least: int = LEAST_LOST) -> str | None:
    if n_lost < least or n_lost <= largest_loss * n_before:
        return None
    return f"{n_lost} of its {n_before} {what} ({n_lost / n_before:.0%}, the limit is {largest_loss:.0%})"


def _before(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, int | None]:
    """The most rows that each object had since a loss was last accepted (None: not counted then)."""
    return dict(connection.execute("select object_id, n_rows from lineage.landing_rows where source = ?", [source]).fetchall())


def _most_held(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    """The most rows and values of each column that the file held since a loss was last accepted."""
    held = connection.execute(
        "select held from lineage.landing_files where kind = ? order by scanned_at desc limit 1", [source]
    ).fetchone()
    return json.loads(held[0]) if held and held[0] else {}


def settle(connection: duckdb.DuckDBPyConnection, doubts: Mapping[str, tuple[str, str]]) -> None:
    """Store what is not believed now: kind and reason by path. What was not believed before and is by now goes."""
    known = connection.execute(
        f"select measured->>'path', measured->>'kind', reason from core.rejections where {_KEPT}", [STAGE]
    ).fetchall()
    if {path: (kind, reason) for path, kind, reason in known} == dict(doubts):
        return
    rows = [(reason, as_json({"path": path, "kind": kind, "is_kept": True})) for path, (kind, reason) in doubts.items()]
    with transaction(connection):
        connection.execute(f"delete from core.rejections where {_KEPT}", [STAGE])
        connection.register("doubts", pa.table({"reason": [r for r, _ in rows], "measured": [m for _, m in rows]}, _DOUBTS))
        connection.execute(
            "insert into core.rejections by name select ? as stage, *, ? as written_at from doubts", [STAGE, now()]
        )
        bump_change(connection)
    connection.unregister("doubts")


_DOUBTS = pa.schema([("reason", pa.string()), ("measured", pa.string())])


def is_doubtful(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether some snapshot was not believed when it was last looked at."""
    row = connection.execute(f"select count(*) from core.rejections where {_KEPT}", [STAGE]).fetchone()
    return bool(row and row[0])
