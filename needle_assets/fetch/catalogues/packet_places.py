"""Where landed packets of Rubin's place their objects, kept up to date packet by packet."""

from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.fetch.catalogues.packet_hosts import new_packet_files
from needle_assets.landing.names import ALERTS_FOLDER, SCHEMAS_FOLDER
from needle_assets.landing.packets import read_packets
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.ztf import ZTF


def update_packet_places(landing: Path, known: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """
    Right ascension and declination [deg] of each of Rubin's objects, as its newest packet has them.

    Parameters
    ----------
    landing : Path
        The landing folder; files of their own are looked at, each once, but for those in folders named after an object of ZTF's.
    known : dict
        What was found before, changed in place: ``folders`` (newest change of a file in each) and ``objects`` (jd, ra, dec).
    """
    folders: dict[str, int] = known.setdefault("folders", {})
    objects: dict[str, list[float]] = known.setdefault("objects", {})
    for path, folder, changed_ns in new_packet_files(landing / ALERTS_FOLDER, dict(folders)):
        folders[folder] = max(folders.get(folder, 0), changed_ns)
        if not ZTF.has_id(path.parent.name):
            _take_in(path, landing / SCHEMAS_FOLDER, objects)
    return {object_id: (ra, dec) for object_id, (_, ra, dec) in objects.items()}


def _take_in(path: Path, schemas: Path, objects: dict[str, list[float]]) -> None:
    try:
        found = list(read_packets(path.read_bytes(), schemas))
    except OSError:  # the reader of the landing folder lists it
        return
    for packet in found:
        if isinstance(packet, Rejection) or packet.survey != LSST.name:
            continue
        if packet.candidate["jd"] > objects.get(packet.object_id, [0.0])[0]:
            objects[packet.object_id] = [packet.candidate[name] for name in ("jd", "ra", "dec")]
