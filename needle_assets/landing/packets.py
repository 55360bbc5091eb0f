"""Alert packets of every survey, in one landing folder: bytes in, checked packets out. What sent one is seen from its record.

A file is an Avro container with its schema, or messages as they come from Kafka (``avro.messages``). Each survey's own names are known
to one module, ``ztf_packets`` and ``lsst_packets``.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing import lsst_packets, ztf_packets
from needle_assets.landing.avro.containers import first_fields, read_records, record_name
from needle_assets.landing.avro.messages import is_message, read_messages
from needle_assets.landing.avro.schema import Wanted
from needle_assets.landing.packet import Packet
from needle_assets.landing.values import INT64
from needle_assets.surveys.known import is_object_id

WANTED = Wanted({**lsst_packets.WANTED.fields, **ztf_packets.WANTED.fields})
"""What is read of a packet; whatever else it carries may hold what it likes."""


def read_packet(data: bytes, schemas: Path | None = None) -> Packet:
    """
    The one packet in the bytes of an Avro file.

    Raises
    ------
    Rejection
        If the bytes are not an Avro file with exactly one usable alert packet; says what is wrong.
    """
    found = list(read_packets(data, schemas))
    for result in found:
        if isinstance(result, Rejection):
            raise result
    if len(found) != 1:
        raise Rejection(f"the file holds {len(found)} packets, one was expected.", n_packets=len(found))
    return found[0]  # type: ignore[return-value]


def read_packets(data: bytes, schemas: Path | None = None) -> Iterator[Packet | Rejection]:
    """
    Every packet in the bytes of a file, or why it was refused; at least one of them. Damage ends it with a refusal.

    ``schemas`` is a folder of the schemas of messages that carry none; see ``avro.messages``.
    """
    n_records = 0
    try:
        for version, record in _records(data, schemas):
            n_records += 1
            yield _packet_or_refusal(record, version)
    except Rejection as why:
        yield why if n_records else _of_known_packet(why, data)
        return
    if n_records == 0:
        yield Rejection("the file holds no packet.", n_bytes=len(data))


def alert_row(packet: Packet) -> dict[str, Any]:
    """The packet as a row of ``raw.alerts``, without path, member and sha256, which only the reader of the landing folder knows."""
    return lsst_packets.alert_row(packet) if packet.survey == lsst_packets.LSST.name else ztf_packets.alert_row(packet)


def one_row_per_packet(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Rejection]]:
    """
    Rows of ``raw.alerts`` with each (object_id, candid) once, and the others as rejections.

    The fuller copy stays (more cutouts, then more previous candidates); between equals the first by path and member, so that the
    order of reading does not matter. An exact copy is refused like any other, so that every landed packet is accounted for.
    """
    ordered = sorted(rows, key=_preference)
    kept: dict[tuple[str, int], Mapping[str, Any]] = {}
    refused = []
    for row in ordered:
        first = kept.setdefault((row["object_id"], row["candid"]), row)
        if first is not row:
            refused.append(_duplicate(row, first))
    return list(kept.values()), refused


def _records(data: bytes, schemas: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record with the version of its schema, where the record itself does not tell."""
    if is_message(data):
        for number, record in read_messages(data, schemas, WANTED):
            major, minor = divmod(number, 100)
            yield f"{major}.{minor}", record
        return
    version = lsst_packets.version_of(record_name(data))
    for record in read_records(data, WANTED):
        yield version, record


def _packet_or_refusal(record: Mapping[str, Any], version: str) -> Packet | Rejection:
    try:
        return lsst_packets.packet_of(record, version) if lsst_packets.is_ours(record) else ztf_packets.packet_of(record)
    except Rejection as why:
        return why


def _of_known_packet(why: Rejection, data: bytes) -> Rejection:
    """The refusal of a damaged file under the object and number that its beginning still tells."""
    ztf = first_fields(data, WANTED, ("objectId", "candid"))
    candid, object_id = ztf.get("candid"), ztf.get("objectId")
    if not ztf:
        candid, object_id = lsst_packets.identity_told(first_fields(data, WANTED, ("diaSourceId", "diaSource")))
    known = candid if type(candid) is int and 0 < candid < INT64 else None
    return why.also(candid=known, **({"object_id": object_id} if is_object_id(object_id) else {}))


def _preference(row: Mapping[str, Any]) -> tuple[Any, ...]:
    n_cutouts = row["has_science_cutout"] + row["has_reference_cutout"] + row["has_difference_cutout"]
    return (-n_cutouts, -len(row["prv_candidates"]), row["path"], row["member"] or "", row["sha256"])


def _duplicate(row: Mapping[str, Any], kept: Mapping[str, Any]) -> Rejection:
    same = row["sha256"] == kept["sha256"]
    return Rejection(
        f"the packet landed twice{'' if same else ' with different contents; the fuller one is used'}.",
        candid=row["candid"],
        object_id=row["object_id"],
        path=row["path"],
        member=row["member"],
        sha256=row["sha256"],
        used_path=kept["path"],
        used_member=kept["member"],
    )
