"""A simulated survey as the live services would tell of it, night after night: more objects, more packets, more classifications."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from needle_assets.fetch.catalogues.panstarrs import COLUMNS
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import read_packet
from needle_assets_tests.fetch.loopback import Request, Response, Server, says

HOST_RADIUS_DEG = 5 / 3600


@dataclass(frozen=True)
class Sent:
    """A packet and its bytes."""

    packet: Packet
    content: bytes

    @property
    def row(self) -> Mapping[str, Any]:
        return self.packet.candidate


@dataclass
class SurveyServices:
    """
    BTS, ALeRCE, its packets and MAST for the packets of a simulated survey.

    ``known`` says how many packets of an object have been sent so far, ``classified`` who stands in the catalogue.
    """

    folder: Path
    known: dict[str, int] = field(default_factory=dict)
    classified: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.packets: dict[str, list[Sent]] = {}
        for path in (self.folder / "alerts").glob("*.avro"):
            packet = read_packet(path.read_bytes())
            self.packets.setdefault(packet.object_id, []).append(Sent(packet, path.read_bytes()))
        for sent in self.packets.values():
            sent.sort(key=lambda one: one.row["jd"])
        self.catalogue = _csv_rows(self.folder / "bts.csv")
        self.hosts = _csv_rows(self.folder / "hosts.csv")
        answers = {"bts": self._bts, "alerce": self._alerce, "alerce_packets": self._packet, "panstarrs": self._mast}
        self.servers = {name: Server(answer) for name, answer in answers.items()}

    def close(self) -> None:
        for server in self.servers.values():
            server.close()

    def settings(self) -> str:
        """Sections of settings.toml that point here."""
        lines = [f'[fetch.{name}]\nurl = "{server.url}"\ninterval_seconds = 0.0' for name, server in self.servers.items()]
        return "\n".join(lines)

    def asked(self) -> dict[str, list[str]]:
        """What was asked since the last call: objects or packets, by service."""
        said = {
            "detections": [r.path.split("/")[2] for r in self.servers["alerce"].requests if r.path.endswith("/detections")],
            "packets": [r.query["candid"][0] for r in self.servers["alerce_packets"].requests],
            "hosts": [r.query["ra"][0] for r in self.servers["panstarrs"].requests],
        }
        for server in self.servers.values():
            server.requests.clear()
        return said

    def sent(self, object_id: str) -> Sequence[Sent]:
        """The packets of an object that have been sent."""
        return self.packets.get(object_id, [])[: self.known.get(object_id, 0)]

    def _bts(self, _request: Request) -> Response:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(self.catalogue[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in self.catalogue if row["ZTFID"] in self.classified)
        return Response(out.getvalue().encode(), headers={"Content-Type": "text/csv"})

    def _alerce(self, request: Request) -> Response:
        if request.path == "/objects":
            found = {object_id: self.sent(object_id) for object_id in request.query["oid"]}
            items = [{"oid": i, "ndet": len(s), "lastmjd": _mjd(s[-1])} for i, s in found.items() if s]
            return says({"items": items, "page": 1, "has_next": False, "next": None})
        return says([_detection(one) for one in self.sent(request.path.split("/")[2])])

    def _packet(self, request: Request) -> Response:
        wanted = int(request.query["candid"][0])
        found = [one.content for one in self.sent(request.query["oid"][0]) if one.packet.candid == wanted]
        return Response(found[0], headers={"Content-Type": "app/avro+binary"}) if found else says({}, status=404)

    def _mast(self, request: Request) -> Response:
        ra, dec = float(request.query["ra"][0]), float(request.query["dec"][0])
        rows = [
            [
                {"raStack": float(h["host_ra"]), "decStack": float(h["host_dec"])}.get(name, _magnitude(h, name))
                for name in COLUMNS
            ]
            for h in self.hosts
            if abs(float(h["host_ra"]) - ra) < 2 * HOST_RADIUS_DEG and abs(float(h["host_dec"]) - dec) < HOST_RADIUS_DEG
        ]
        data = rows if request.query["page"][0] == "1" else []
        return says({"info": [{"name": name, "type": "float"} for name in COLUMNS], "data": data})


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _mjd(one: Sent) -> float:
    return float(one.row["jd"]) - 2400000.5


def _detection(one: Sent) -> dict[str, Any]:
    row = one.row
    return {
        "tid": "ZTF", "mjd": _mjd(one), "candid": str(one.packet.candid), "fid": row["fid"],
        "isdiffpos": 1 if row["isdiffpos"] in ("t", "1") else -1, "magpsf": row["magpsf"], "sigmapsf": row["sigmapsf"],
        "rb": row["rb"], "has_stamp": True,
    }  # fmt: skip


def _magnitude(host: Mapping[str, str], column: str) -> float:
    return float(host.get(column.removesuffix("Mag")) or -999.0) if column.endswith("Mag") else 1234.0
