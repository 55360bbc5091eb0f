"""What is known of the landing folder: which files were read, which packets lie where, what the whole-file sources say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from needle_assets.landing import LandingFile
from needle_assets.stages import Stage
from needle_assets.warehouse.connection import transaction
from needle_assets.warehouse.ledger import hash_rows, hashed_column_sets
from needle_assets.warehouse.rows import LANDING_QUERIES, Refused, as_json, now
from needle_assets.warehouse.schema import bump_change

STAGE = "landing"


@dataclass(frozen=True)
class FoundPacket:
    """A readable packet: where it lies and what it is."""

    path: str
    member: str
    ztf_id: str
    candid: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class FileReport:
    """What was found in one file. ``notices`` are sentences to tell that are no refusals: columns or a file that is not read."""

    file: LandingFile
    packets: list[FoundPacket] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def changed(connection: duckdb.DuckDBPyConnection, files: Iterable[LandingFile]) -> list[LandingFile]:
    """Files that are new or whose size or modification time differ from the manifest."""
    known = {
        path: (size, mtime)
        for path, size, mtime in connection.execute("select path, size_bytes, mtime_ns from lineage.landing_files").fetchall()
    }
    return [file for file in files if known.get(file.path) != (file.size, file.mtime_ns)]


def record_packets(connection: duckdb.DuckDBPyConnection, reports: Sequence[FileReport], stages: Sequence[Stage]) -> None:
    """Store what was found in some packet files, in one transaction; a file read before is replaced."""
    packets = [packet for report in reports for packet in report.packets]
    with transaction(connection):
        _replace_files(connection, reports)
        _register(connection, "found", FoundPacket, packets)
        connection.execute(
            "create or replace temp table touched as select distinct ztf_id from lineage.landing_packets "
            "where path in (select path from read_files) union select distinct ztf_id from found"
        )
        connection.execute("delete from lineage.landing_packets where path in (select path from read_files)")
        connection.execute(
            "insert into lineage.landing_packets by name select * from found "
            "qualify row_number() over (partition by path, member, ztf_id, candid) = 1"
        )
        _rehash(connection, "landing.packets", stages)
        _add_objects(connection)
        bump_change(connection)
    connection.unregister("found")


def record_rows(
    connection: duckdb.DuckDBPyConnection,
    report: FileReport,
    hashes: Mapping[str, str],
    stages: Sequence[Stage],
) -> None:
    """Store what a whole-file source (the catalogue, photometry, hosts) says of each object: ``hashes`` by ztf_id."""
    source = report.file.kind
    columns = {"ztf_id": pa.array(list(hashes), pa.string()), "content_hash": pa.array(list(hashes.values()), pa.string())}
    with transaction(connection):
        _replace_files(connection, [report])
        connection.register("said", pa.table(columns))
        connection.execute(
            "create or replace temp table touched as select ztf_id from (select ztf_id, content_hash from lineage.landing_rows "
            "where source = ?) old full join said using (ztf_id) where old.content_hash is distinct from said.content_hash",
            [source],
        )
        connection.execute("delete from lineage.landing_rows where source = ?", [source])
        connection.execute(
            "insert into lineage.landing_rows select ?, ztf_id, ?, content_hash from said", [source, report.file.path]
        )
        _rehash(connection, f"landing.{source}", stages)
        if source == "photometry":
            _add_objects(connection)
        bump_change(connection)
    connection.unregister("said")


def new_objects(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every object that is a partition, in the order in which they landed."""
    return [row[0] for row in connection.execute("select ztf_id from lineage.objects order by landed_at, ztf_id").fetchall()]


def archived(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Packets of some objects that lie inside archives: sha256 by member, by archive."""
    connection.register("wanted_keys", pa.table({"ztf_id": pa.array(keys, pa.string())}))
    found = connection.execute(
        "select path, member, sha256 from lineage.landing_packets where member <> '' "
        "and ztf_id in (select ztf_id from wanted_keys) order by path, member"
    ).fetchall()
    connection.unregister("wanted_keys")
    members: dict[str, dict[str, str]] = {}
    for path, member, sha256 in found:
        members.setdefault(path, {})[member] = sha256
    return members


def _replace_files(connection: duckdb.DuckDBPyConnection, reports: Sequence[FileReport]) -> None:
    files = pa.table(
        {
            "path": pa.array([r.file.path for r in reports], pa.string()),
            "kind": pa.array([r.file.kind for r in reports], pa.string()),
            "size_bytes": pa.array([r.file.size for r in reports], pa.int64()),
            "mtime_ns": pa.array([r.file.mtime_ns for r in reports], pa.int64()),
            "n_packets": pa.array([len(r.packets) for r in reports], pa.int32()),
            "n_refused": pa.array([len(r.refused) for r in reports], pa.int32()),
            "notices": pa.array([r.notices for r in reports], pa.list_(pa.string())),
        }
    )
    connection.register("given", files)
    connection.execute("create or replace temp table read_files as select * from given")
    connection.unregister("given")
    connection.execute("delete from lineage.landing_files where path in (select path from read_files)")
    connection.execute("insert into lineage.landing_files by name select *, ? as scanned_at from read_files", [now()])
    connection.execute(
        "delete from core.rejections where stage = ? and (measured->>'path') in (select path from read_files)", [STAGE]
    )
    rows = [(r, refusal) for r in reports for refusal in r.refused]
    for report, refusal in rows:
        measured = refusal.measured if '"path"' in refusal.measured else as_json({"path": report.file.path})
        connection.execute(
            "insert into core.rejections values (?, ?, ?, ?, ?, ?)",
            [STAGE, refusal.ztf_id, refusal.candid, refusal.reason, measured, now()],
        )


def _register(connection: duckdb.DuckDBPyConnection, name: str, kind: type[FoundPacket], packets: Sequence[FoundPacket]) -> None:
    integers = {"candid", "size_bytes"}
    columns = {
        field_name: pa.array([getattr(p, field_name) for p in packets], pa.int64() if field_name in integers else pa.string())
        for field_name in kind.__dataclass_fields__
    }
    connection.register(name, pa.table(columns))


def _rehash(connection: duckdb.DuckDBPyConnection, asset: str, stages: Sequence[Stage]) -> None:
    """Hash anew what this source says of the objects in ``touched``."""
    connection.execute("delete from lineage.contents where asset = ? and ztf_id in (select ztf_id from touched)", [asset])
    source = f"(select * from ({LANDING_QUERIES[asset]}) where ztf_id in (select ztf_id from touched))"
    for columns in sorted(hashed_column_sets(stages, asset)):
        hash_rows(connection, source, asset, columns, has_objects=True)


def _add_objects(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "insert into lineage.objects select ztf_id, ? from touched where ztf_id not in (select ztf_id from lineage.objects)",
        [now()],
    )
