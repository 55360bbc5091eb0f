"""What is known of the landing folder: which files were read, which packets lie where, what the whole-file sources say."""

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import pyarrow as pa

from needle_assets.errors import as_json
from needle_assets.landing.field_images import FoundImage
from needle_assets.landing.folder import LandingFile
from needle_assets.landing.found import FileReport, FoundPacket
from needle_assets.stages import Stage
from needle_assets.surveys.known import survey_name_of_id
from needle_assets.warehouse.connection import transaction
from needle_assets.warehouse.landed.files import STAGE
from needle_assets.warehouse.ledger import hash_rows, hashed_column_sets
from needle_assets.warehouse.rows import LANDING_QUERIES, now
from needle_assets.warehouse.schema import bump_change


def changed(connection: duckdb.DuckDBPyConnection, files: Iterable[LandingFile]) -> list[LandingFile]:
    """Files that are new, whose size or time differ from the manifest, or that mean something else by now, as beside another file."""
    known = {
        path: (size, mtime, kind, notices if kind == "unknown" else [])
        for path, size, mtime, kind, notices in connection.execute(
            "select path, size_bytes, mtime_ns, kind, notices from lineage.landing_files"
        ).fetchall()
    }
    return [
        file
        for file in files
        if known.get(file.path) != (file.size, file.mtime_ns, file.kind, [file.notice] if file.notice else [])
    ]


def forget_vanished(connection: duckdb.DuckDBPyConnection, files: Iterable[LandingFile], stages: Sequence[Stage]) -> None:
    """
    Forget files that are gone and gave nothing, with what was refused in them; those that gave packets or rows are kept.

    A packet that was never stored, as its file vanished before, is forgotten with a refusal that says so: when the file comes back it
    is read as a new one.
    """
    connection.register("there", pa.table({"path": pa.array([file.path for file in files], pa.string())}))
    gave_nothing = "n_packets = 0 and path not in (select path from lineage.landing_images)"
    kinds = "('packet', 'archive', 'unknown', 'field_images')"
    gone = f"kind in {kinds} and {gave_nothing} and path not in (select path from there)"
    never_stored = (
        "select * from lineage.landing_packets p where path not in (select path from there) "
        "and not exists (select 1 from raw.alerts a where (a.object_id, a.candid) = (p.object_id, p.candid))"
    )
    with transaction(connection):
        is_any_gone = _forget_files(connection, gone)
        is_any_lost = connection.execute(f"select exists ({never_stored})").fetchone() == (True,)
        if is_any_lost:
            _forget_packets(connection, never_stored, stages)
        if is_any_gone or is_any_lost:
            bump_change(connection)
    connection.unregister("there")


def _forget_packets(connection: duckdb.DuckDBPyConnection, lost: str, stages: Sequence[Stage]) -> None:
    connection.execute(f"create or replace temp table lost as {lost}")
    connection.execute("create or replace temp table touched as select distinct object_id from lost")
    connection.execute(
        "insert into core.rejections select ?, object_id, candid, path || ' vanished before this packet was "
        "stored; put it back and refresh "
        "again.', json_object('path', path, 'member', member, 'sha256', sha256), ? from lost",
        [STAGE, now()],
    )
    connection.execute(
        "delete from lineage.landing_packets where (path, member, object_id, candid) in (select path, member, object_id, candid from lost)"
    )
    connection.execute("delete from lineage.landing_files where path in (select path from lost)")
    _rehash(connection, "landing.packets", stages)


def _forget_files(connection: duckdb.DuckDBPyConnection, which: str, values: Sequence[str] = ()) -> bool:
    """Forget the files for which the condition holds, with what was refused in them; False if there are none."""
    found = connection.execute(f"select path from lineage.landing_files where {which}", values).fetchall()
    if found:
        connection.execute(f"delete from lineage.landing_files where {which}", values)
        connection.execute(
            "delete from core.rejections where stage = ? and list_contains(?::varchar[], measured->>'path')",
            [STAGE, [row[0] for row in found]],
        )
    return bool(found)


def record_packets(connection: duckdb.DuckDBPyConnection, reports: Sequence[FileReport], stages: Sequence[Stage]) -> None:
    """
    Store what was found in some packet files, in one transaction.

    A file read before is replaced; what of it cannot be read any more, because it was damaged since, is kept as it was.
    """
    packets = [packet for report in reports for packet in report.packets]
    with transaction(connection):
        _replace_files(connection, reports)
        _record_images(connection, [image for report in reports for image in report.images], stages)
        _register(connection, "found", FoundPacket, packets)
        connection.execute(
            "create or replace temp table touched as select distinct object_id from lineage.landing_packets "
            "where path in (select path from read_files) union select distinct object_id from found"
        )
        connection.execute(
            "delete from lineage.landing_packets where path in (select path from read_files where n_packets > 0 and n_refused = 0) "
            "or (path, member, object_id, candid) in (select path, member, object_id, candid from found)"
        )
        connection.execute(
            "insert into lineage.landing_packets by name select * from found "
            "qualify row_number() over (partition by path, member, object_id, candid) = 1"
        )
        _rehash(connection, "landing.packets", stages)
        _add_objects(connection)
        bump_change(connection)
    connection.unregister("found")


def _record_images(connection: duckdb.DuckDBPyConnection, images: Sequence[FoundImage], stages: Sequence[Stage]) -> None:
    """Store what images of fields were found, in the open transaction. They make no object known."""
    if not images:
        return
    columns = {name: [getattr(image, name) for image in images] for name in FoundImage.__dataclass_fields__}
    connection.register("found_images", pa.table(columns))
    connection.execute(
        "create or replace temp table touched as select object_id from lineage.landing_images where path in (select path from "
        "found_images) union select object_id from found_images"
    )
    connection.execute("delete from lineage.landing_images where path in (select path from found_images)")
    connection.execute("insert into lineage.landing_images by name select * from found_images")
    _rehash(connection, "landing.field_images", stages)
    connection.unregister("found_images")


def record_rows(
    connection: duckdb.DuckDBPyConnection,
    report: FileReport,
    hashes: Mapping[str, str],
    stages: Sequence[Stage],
) -> None:
    """Store what a whole-file source (the catalogue, photometry, hosts) says of each object: ``hashes`` by object_id."""
    source = report.file.kind
    columns = {
        "object_id": pa.array(list(hashes), pa.string()),
        "content_hash": pa.array(list(hashes.values()), pa.string()),
        "n_rows": pa.array([report.rows_of.get(object_id, 0) for object_id in hashes], pa.int32()),
        "forced_hash": pa.array([report.forced_of.get(object_id) for object_id in hashes], pa.string()),
    }
    with transaction(connection):
        _replace_files(connection, [report])
        _forget_files(connection, "kind = ? and path <> ?", [source, report.file.path])  # of each kind one file counts
        connection.register("said", pa.table(columns))
        connection.execute(
            "create or replace temp table touched as select object_id from (select object_id, content_hash, forced_hash from "
            "lineage.landing_rows where source = ?) old full join said using (object_id) where (old.content_hash, old.forced_hash) "
            "is distinct from (said.content_hash, said.forced_hash)",
            [source],
        )
        connection.execute("delete from lineage.landing_rows where source = ?", [source])
        connection.execute(
            "insert into lineage.landing_rows by name select ? as source, ? as path, * from said", [source, report.file.path]
        )
        _rehash(connection, f"landing.{source}", stages)
        if source == "photometry":
            _add_objects(connection)
        bump_change(connection)
    connection.unregister("said")


def new_objects(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every object that is a partition, in the order in which they landed."""
    return [
        row[0] for row in connection.execute("select object_id from lineage.objects order by landed_at, object_id").fetchall()
    ]


def n_objects(connection: duckdb.DuckDBPyConnection) -> int:
    """How many objects are partitions."""
    row = connection.execute("select count(*) from lineage.objects").fetchone()
    return int(row[0]) if row else 0


def archived(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Packets of some objects that lie inside archives: sha256 by member, by archive."""
    connection.register("wanted_keys", pa.table({"object_id": pa.array(keys, pa.string())}))
    found = connection.execute(
        "select path, member, sha256 from lineage.landing_packets where member <> '' "
        "and object_id in (select object_id from wanted_keys) order by path, member"
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
            "n_refused": pa.array([len(r.rejections) for r in reports], pa.int32()),
            "notices": pa.array([r.notices for r in reports], pa.list_(pa.string())),
            "held": pa.array([as_json(r.held) if r.held else None for r in reports], pa.string()),
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
    refused = [
        (STAGE, why.object_id, why.candid, why.reason, as_json({"path": report.file.path, **why.measured}))
        for report in reports
        for why in report.rejections
    ]
    if refused:
        named = zip(("stage", "object_id", "candid", "reason", "measured"), zip(*refused, strict=True), strict=True)
        types = {"candid": pa.int64()}
        connection.register("refused", pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in named}))
        connection.execute("insert into core.rejections by name select *, ? as written_at from refused", [now()])
        connection.unregister("refused")


def _register(connection: duckdb.DuckDBPyConnection, name: str, kind: type[FoundPacket], packets: Sequence[FoundPacket]) -> None:
    integers = {"candid", "size_bytes"}
    columns = {
        field_name: pa.array([getattr(p, field_name) for p in packets], pa.int64() if field_name in integers else pa.string())
        for field_name in kind.__dataclass_fields__
    }
    connection.register(name, pa.table(columns))


def _rehash(connection: duckdb.DuckDBPyConnection, asset: str, stages: Sequence[Stage]) -> None:
    """Hash anew what this source says of the objects in ``touched``."""
    connection.execute("delete from lineage.contents where asset = ? and object_id in (select object_id from touched)", [asset])
    # Of a snapshot its content counts, not the file it stood in.
    what = "*" if asset in ("landing.packets", "landing.field_images") else "* exclude (size_bytes, mtime_ns)"
    source = f"(select {what} from ({LANDING_QUERIES[asset]}) where object_id in (select object_id from touched))"
    hash_rows(connection, source, asset, hashed_column_sets(stages, asset), has_objects=True)


def _add_objects(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "select object_id from touched where object_id not in (select object_id from lineage.objects)"
    ).fetchall()
    ids = [object_id for (object_id,) in found]
    added = {"object_id": pa.array(ids, pa.string()), "survey": pa.array(map(survey_name_of_id, ids), pa.string())}
    connection.register("added", pa.table(added))
    connection.execute("insert into lineage.objects by name select *, ? as landed_at from added", [now()])
    connection.unregister("added")
