"""Which host the landed packets of an object name: the rule of ``core.hosts``, kept up to date packet by packet."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.names import ALERTS_FOLDER
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import alert_row, read_packet
from needle_assets.samples.hosts import packet_host, position_of_ps1_object
from needle_assets.settings import HostSettings


def update_packet_hosts(landing: Path, known: dict[str, Any], settings: HostSettings) -> dict[str, dict[str, Any]]:
    """
    The Pan-STARRS source that the newest packet of each object makes its host.

    Parameters
    ----------
    landing : Path
        The landing folder; packets in files of their own are looked at, each once.
    known : dict
        What was found before, changed in place: ``folders`` (newest change of a file in each) and ``objects``.
    settings : HostSettings
        The rule's thresholds.

    Returns
    -------
    dict
        For each object with a host: jd of the packet [d], ps1_id, ra_deg, dec_deg, separation_arcsec.
    """
    folders: dict[str, int] = known.setdefault("folders", {})
    objects: dict[str, dict[str, Any]] = known.setdefault("objects", {})
    for path, folder, changed_ns in new_packet_files(landing / ALERTS_FOLDER, dict(folders)):
        folders[folder] = max(folders.get(folder, 0), changed_ns)
        try:
            packet = read_packet(path.read_bytes())
        except (Rejection, OSError):  # the reader of the landing folder lists it
            continue
        _take_in(packet, objects, settings)
    return {object_id: host for object_id, host in objects.items() if host.get("ps1_id")}


def _take_in(packet: Packet, objects: dict[str, dict[str, Any]], settings: HostSettings) -> None:
    row = alert_row(packet)
    sources = [_source(row, k) for k in (1, 2, 3) if row[f"distpsnr{k}"] is not None]
    if not sources or objects.get(packet.object_id, {}).get("jd", 0.0) >= row["jd"]:
        return
    best = packet_host(sources, star_score=settings.star_score, largest_p_chance=settings.largest_p_chance)
    objects[packet.object_id] = {"jd": row["jd"]} | (_place(best) if best else {})


def _place(source: Mapping[str, Any]) -> dict[str, Any]:
    position = position_of_ps1_object(source["ps1_id"]) if source["ps1_id"] else None
    if position is None:
        return {}
    place = {"ra_deg": position[0], "dec_deg": position[1], "separation_arcsec": source["separation_arcsec"]}
    return {"ps1_id": source["ps1_id"], **place}


def _source(row: Mapping[str, Any], k: int) -> dict[str, Any]:
    named = {"ps1_id": row[f"objectidps{k}"], "separation_arcsec": row[f"distpsnr{k}"], "star_score": row[f"sgscore{k}"]}
    return named | {f"{band}_mag": row[f"s{band}mag{k}"] for band in "griz"}


def new_packet_files(alerts: Path, folders: Mapping[str, int]) -> Iterator[tuple[Path, str, int]]:
    """Packet files that came since: where, in which folder, and when their entry changed last (copies keep an older mtime)."""
    for folder, _, names in os.walk(alerts):
        key = str(Path(folder).relative_to(alerts))
        for name in names:
            if name.endswith(".avro") and not name.startswith("."):
                path = Path(folder, name)
                changed_ns = path.stat().st_ctime_ns
                if changed_ns > folders.get(key, 0):
                    yield path, key, changed_ns
