"""Runs cases of bad input through the readers and counts what becomes of them."""

import hashlib
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_photometry
from needle_assets.landing.folder import LandedPacket, LandingFile, read_packet_file
from needle_assets.landing.names import kind_of
from needle_assets.landing.packets import alert_row, one_row_per_packet, read_packets
from needle_assets_tests.fuzz import file_kinds, packet_kinds
from needle_assets_tests.fuzz.packet_kinds import Make
from needle_assets_tests.packets import packet
from needle_assets_tests.ztf import place_cutout

TABLES = Path(__file__).parents[2] / "warehouse" / "tables"
MAX_SECONDS = 2.0  # of processor time, so that a busy machine fails no test
Outcome = tuple[list[Any], list[Rejection]]


@dataclass(frozen=True)
class Kind:
    """One named kind of bad input: what makes a case, the file it lies in, and whether any row may come out of it."""

    name: str
    make: Make
    path: str
    may_be_accepted: bool = True


@dataclass
class Tally:
    """What became of the cases of one kind."""

    kind: Kind
    n_cases: int = 0
    n_accepted: int = 0
    n_refused: int = 0
    n_both: int = 0
    n_neither: int = 0
    crashes: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    total_seconds: float = 0.0
    peak_mib: float = 0.0


def _packets(*names: str, may_be_accepted: bool = True) -> list[Kind]:
    return [Kind(n.replace("_", " "), getattr(packet_kinds, n), "alerts/1.avro", may_be_accepted) for n in names]


def _files(path: str, *names: str, may_be_accepted: bool = True) -> list[Kind]:
    return [Kind(n.replace("_", " "), getattr(file_kinds, n), path, may_be_accepted) for n in names]


KINDS: tuple[Kind, ...] = (
    *_packets("empty", "not_avro", "truncated", may_be_accepted=False),
    *_packets(
        "flipped_bytes",
        "flipped_values",
        "spliced_bytes",
        "missing_fields",
        "wrong_types",
        "not_finite",
        "absurd_numbers",
        "absurd_sizes",
        "added_by_a_broker",
    ),
    *_packets("injected_ids", "bad_schema_json", "hostile_schema", "deflate_bomb", may_be_accepted=False),
    *_packets("injected_texts", "lying_counts", "duplicate_candid"),
    *_packets("cutout_not_gzip", "cutout_bomb", "bad_fits", "cutout_of_noise"),
    *_files("alerts/night.tar.gz", "archive_paths", "archive_bomb", may_be_accepted=False),
    *_files("alerts/night.tar.gz", "archive_truncated", "archive_damaged", "archive_headers"),
    *_files("bts.csv", "catalogue_values", "catalogue_damaged", "table_of_noise"),
    *_files("photometry.csv", "photometry_values"),
    *_files("hosts.csv", "hosts_values"),
    *_files("photometry.parquet", "parquet_damaged", "parquet_types"),
)


def sound_packets(survey: Path | None) -> list[bytes]:
    """Packets to damage: made ones, and a few of a real survey where there is one."""
    real = sorted((survey / "alerts").glob("*.avro"))[::60] if survey else []
    return [packet("3.3"), packet("4.02"), *(path.read_bytes() for path in real)]


def run_kind(kind: Kind, n_cases: int, seed: int, folder: Path, sound: list[bytes]) -> Tally:
    """Reads ``n_cases`` cases of one kind from a landing folder and tallies them; accepted rows must go into their table."""
    tally = Tally(kind)
    (folder / kind.path).parent.mkdir(parents=True, exist_ok=True)
    accepted: list[Any] = []
    for case in range(n_cases):
        data = kind.make(np.random.default_rng([seed, case]), sound)
        (folder / kind.path).write_bytes(data)
        accepted += _run_case(tally, case, folder, before=fingerprint(folder))
    try:
        _insert(kind, accepted)
    except Exception:  # whatever goes wrong here is what is looked for
        tally.crashes.append("insert: " + traceback.format_exc(limit=-3))
    tally.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return tally


def fingerprint(folder: Path) -> str:
    """What lies in a folder, with times and contents' sizes."""
    entries = sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*"))
    return hashlib.sha256(repr(entries).encode()).hexdigest()


def _run_case(tally: Tally, case: int, folder: Path, *, before: str) -> list[Any]:
    tally.n_cases += 1
    started = time.process_time()
    rows: list[Any] = []
    try:
        rows, rejections = READERS[tally.kind.path](folder, tally.kind.path)
        _check_reasons(rejections)
        _check_unwritten(folder, before)
        tally.n_accepted += bool(rows) and not rejections
        tally.n_refused += bool(rejections) and not rows
        tally.n_both += bool(rejections) and bool(rows)
        tally.n_neither += not rejections and not rows
    except BaseException as error:  # a crash is counted, not raised
        if isinstance(error, KeyboardInterrupt):
            raise
        tally.crashes.append(f"case {case}: " + traceback.format_exc(limit=-4))
    seconds = time.process_time() - started
    tally.total_seconds += seconds
    tally.slowest_seconds = max(tally.slowest_seconds, seconds)
    return rows


def _check_unwritten(folder: Path, before: str) -> None:
    if fingerprint(folder) != before:
        raise AssertionError("something was written")


def _check_reasons(rejections: list[Rejection]) -> None:
    for why in rejections:
        # Where it lies is told to the letter, or nobody could find it; whoever shows it on a page escapes it.
        text = why.reason + repr({name: value for name, value in why.measured.items() if name not in ("path", "member")})
        if not why.reason.endswith((".", ")")) or len(text) > 2000 or "<" in text or not why.reason.isprintable():
            raise AssertionError(f"the reason cannot be shown: {text[:200]!r}")


def _packet_files(folder: Path, path: str) -> Outcome:
    rows, rejections = [], []
    for item in read_packet_file(folder, LandingFile(path, 0, 0, kind_of(path))):
        if isinstance(item, LandedPacket):
            for row, refused in _packet_rows(item):
                rows += row
                rejections += refused
        else:
            rejections.append(item)
    kept, repeated = one_row_per_packet(rows)
    return list(kept), rejections + repeated


def _packet_rows(item: LandedPacket) -> Iterator[Outcome]:
    for index, found in enumerate(read_packets(item.data)):
        if isinstance(found, Rejection):
            yield [], [found]
            continue
        sha256 = f"{item.sha256}-{index}"
        yield [alert_row(found) | {"path": item.path, "member": item.member, "sha256": sha256}], list(found.refused)
        for cutout in (found.science, found.reference, found.difference):
            try:
                if cutout is not None:
                    placed = place_cutout(decode_cutout(cutout), xpos=found.candidate["xpos"], ypos=found.candidate["ypos"])
                    assert placed.image.shape == (60, 60)
            except Rejection as why:
                yield [], [why]


def _table(read: Callable[[Path], Any]) -> Callable[[Path, str], Outcome]:
    def reader(folder: Path, path: str) -> Outcome:
        try:
            rows, rejections = read(folder / path)
        except Rejection as why:
            return [], [why]
        return ([rows] if len(rows) else []), rejections

    return reader


READERS: dict[str, Callable[[Path, str], Outcome]] = {
    "alerts/1.avro": _packet_files,
    "alerts/night.tar.gz": _packet_files,
    "bts.csv": _table(lambda path: read_catalogue(path)),
    "photometry.csv": _table(read_photometry),
    "photometry.parquet": _table(read_photometry),
    "hosts.csv": _table(read_hosts),
}
_TABLE_OF = {"bts.csv": "raw.objects", "hosts.csv": "raw.hosts"}


def _insert(kind: Kind, accepted: list[Any]) -> None:
    """Every accepted row into its table, without its key: the cases repeat it."""
    table = _TABLE_OF.get(kind.path, "raw.photometry" if kind.path.startswith("photometry") else "raw.alerts")
    ddl = (TABLES / f"{table}.sql").read_text().replace("    primary key (object_id, candid)\n", "    unused integer\n")
    ddl = ddl.replace(" primary key,", " not null,").replace("primary key (object_id, row_number)", "unused integer")
    database = duckdb.connect()
    database.execute("create schema raw").execute(ddl)
    if table == "raw.alerts":
        columns = ", ".join(accepted[0]) if accepted else ""
        for row in accepted[:200]:
            database.execute(f"insert into {table} ({columns}) values ({', '.join('?' * len(row))})", list(row.values()))
        return
    for rows in accepted:
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
        database.register("given", frame.to_arrow())
        database.execute(f"insert into {table} by name select * from given")


def as_table(tallies: list[Tally]) -> str:
    """The tallies as plain text, one line a kind."""
    head = f"{'kind':<20}{'cases':>6}{'accepted':>9}{'refused':>8}{'both':>6}{'nothing':>8}{'crashed':>8}"
    head += f"{'ms/case':>9}{'slowest s':>10}{'peak MiB':>9}"
    lines = [
        f"{t.kind.name:<20}{t.n_cases:>6}{t.n_accepted:>9}{t.n_refused:>8}{t.n_both:>6}{t.n_neither:>8}{len(t.crashes):>8}"
        f"{1e3 * t.total_seconds / max(t.n_cases, 1):>9.2f}{t.slowest_seconds:>10.3f}{t.peak_mib:>9.0f}"
        for t in tallies
    ]
    return "\n".join([head, *lines])


def survey_from_environment() -> Path | None:
    """The real survey that NEEDLE_TEST_SURVEY names, if any."""
    named = os.environ.get("NEEDLE_TEST_SURVEY")
    return Path(named) if named else None
