"""The ``raw`` products: what the survey sent, under its own names."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.assets.output import Product
from needle_assets.assets.tns import with_tns
from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import read_catalogue, read_forced_photometry, read_hosts, read_photometry
from needle_assets.landing.folder import LandedPacket, read_members
from needle_assets.landing.names import SCHEMAS_FOLDER
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import alert_row, one_row_per_packet, read_packets
from needle_assets.landing.snapshots import as_it_was_read
from needle_assets.landing.unpacking import read_unpacked
from needle_assets.landing.verdicts import read_verdicts
from needle_assets.settings import Settings

# Path, member, object and number of a packet: a file may hold several of one object.
Place = tuple[str, str, str, int]


def objects(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    The Bright Transient Survey's catalogue with the class label NEEDLE gives each type (paper, section 2), and what the TNS adds.

    Refusals that name no object were stored when the file was looked at.
    """
    said = frames["landing.catalogue"]
    if said.is_empty():
        return Product()
    rows, rejections = read_catalogue(as_it_was_read(said))
    refused = [why for why in rejections if "object_id" in why.measured]
    listed = frames.get("raw.tns", pl.DataFrame())
    return Product(rows, refused) if listed.is_empty() else with_tns(rows, refused, listed)


def alerts(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    Alert packets of every survey; the cutouts stay in the landing folder. A packet that landed twice counts once.

    A packet whose file has vanished or changed since it was scanned keeps the row it had. Raises OSError if it had none, as then
    nobody knows what it held: the object stays stale.
    """
    rows: list[dict[str, Any]] = []
    rejections: list[Rejection] = []
    found: set[Place] = set()
    for landed, packet in packets_of(frames["landing.packets"]):
        place = {"path": landed.path, "member": landed.member, "sha256": landed.sha256}
        found.add((landed.path, landed.member or "", packet.object_id, packet.candid))
        rows.append({**alert_row(packet), **place})
        rejections += packet.refused
    kept, lost = _rows_of_vanished(frames, found)
    accepted, repeated = one_row_per_packet([*rows, *kept])
    rows_of = {(row["object_id"], row["candid"]): row for row in accepted}
    copies = [_copy_of_vanished(row, rows_of.get((row["object_id"], row["candid"]))) for row in lost]
    return Product(list(accepted), [*rejections, *repeated, *copies])


def _rows_of_vanished(
    frames: Mapping[str, pl.DataFrame], found: set[Place]
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Rows of before that stand for what cannot be read now, if they were made from the same bytes, and packets that have none."""
    before = {
        (row["path"], row["member"] or "", row["object_id"], row["candid"], row["sha256"]): row
        for row in frames["raw.alerts"].iter_rows(named=True)
    }
    kept: list[dict[str, Any]] = []
    lost: list[Mapping[str, Any]] = []
    for row in frames["landing.packets"].iter_rows(named=True):
        place = (row["path"], row["member"], row["object_id"], row["candid"])
        if place in found:
            continue
        if (*place, row["sha256"]) in before:
            kept.append(before[*place, row["sha256"]])
        else:
            lost.append(row)
    return kept, lost


def _copy_of_vanished(packet: Mapping[str, Any], used: Mapping[str, Any] | None) -> Rejection:
    """What becomes of a packet that cannot be read and has no row: nothing, if another copy has one."""
    if used is None:
        raise FileNotFoundError(
            f"{packet['path']} vanished or changed before its packet {packet['candid']} was stored; put it back and refresh again"
        )
    where = {name: packet[name] for name in ("object_id", "path", "member", "sha256")}
    reason = "the packet landed twice, and this copy has vanished or changed since; the other one is used."
    return Rejection(reason, candid=packet["candid"], **where, used_path=used["path"], used_member=used["member"])


def packets_of(landed: pl.DataFrame) -> Iterator[tuple[LandedPacket, Packet]]:
    """
    Every packet that ``landed`` (object_id, path, member, sha256, and the folders) points to, if its bytes are those that were scanned.

    Raises OSError if the landing folder is not there, or a file is there and cannot be read.
    """
    wanted = {(row["path"], row["member"] or "", row["object_id"], row["candid"]) for row in landed.iter_rows(named=True)}
    for _, group in landed.group_by("path", maintain_order=True):
        scanned = set(zip(group["member"].fill_null(""), group["sha256"], strict=True))
        for item in _items(group):
            if (item.member or "", item.sha256) in scanned:
                yield from ((item, packet) for packet in _ours(item, wanted, Path(group["landing"][0]) / SCHEMAS_FOLDER))


def _items(of_file: pl.DataFrame) -> Iterator[LandedPacket]:
    """The wanted packets of one file: those of an archive from where they were unpacked, the others in one pass over it."""
    folder, unpacked, path = (of_file[name][0] for name in ("landing", "unpacked", "path"))
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"the landing folder {folder} is not there; bring it back and refresh again")
    packed: set[str] = set()
    for member, sha256 in of_file.select("member", "sha256").unique(maintain_order=True).iter_rows():
        item = read_unpacked(Path(unpacked), path, member, sha256) if member else None
        if item:
            yield item
        else:
            packed.add(member or "")
    with contextlib.suppress(FileNotFoundError):
        yield from read_members(Path(folder), path, packed)


def _ours(item: LandedPacket, wanted: set[Place], schemas: Path) -> Iterator[Packet]:
    for found in read_packets(item.data, schemas):
        if isinstance(found, Packet) and (item.path, item.member or "", found.object_id, found.candid) in wanted:
            yield found


def photometry(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """Light curves that landed beside the packets, as landed."""
    return _whole_file(frames["landing.photometry"], read_photometry)


def forced_photometry(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """Forced photometry that landed beside the packets; of objects that have none the file is not opened."""
    return _whole_file(frames["landing.photometry"].drop_nulls("forced_hash"), read_forced_photometry)


def hosts(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """Host galaxies that landed beside the packets, as landed."""
    return _whole_file(frames["landing.hosts"], read_hosts)


def verdicts(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """What people said of objects and of stamps, every verdict once; who says something else later adds a row."""
    rows: dict[str, Mapping[str, Any]] = {}
    for name in ("landing.verdicts", "landing.stamp_verdicts"):
        said = frames[name]
        # Not only what was there when the folder was looked at: the file only grows, and whoever judges waits for no refresh.
        found = [] if said.is_empty() else read_verdicts(Path(said["landing"][0]) / said["path"][0], [])[0]
        rows |= {row["verdict_id"]: row for row in found if row["verdict_id"] not in rows}
    return Product([rows[verdict_id] for verdict_id in sorted(rows)])


def _whole_file(said: pl.DataFrame, reader: Callable[[Path], tuple[pl.DataFrame, list[Rejection]]]) -> Product:
    """What the file says of these objects; one of which it says nothing any more fails, and stays stale."""
    if said.is_empty():
        return Product()
    accepted, rejections = reader(as_it_was_read(said))
    ours = set(said["object_id"])
    chosen = accepted.filter(pl.col("object_id").is_in(said["object_id"].implode()))
    return Product(list(chosen.iter_rows(named=True)), [r for r in rejections if r.measured.get("object_id") in ours])
