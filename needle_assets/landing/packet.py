"""What an alert packet is, whichever survey sent it, and the checks that every reader of one makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.landing.values import MAX_TEXT_CHARACTERS, shown

MAX_CUTOUT_BYTES = 2**20
MAX_PREVIOUS = 100_000

# Plausible ranges, both ends included; outside lies damage, not astronomy.
RANGES = {"jd": (2_450_000.0, 2_500_000.0), "ra": (0.0, 360.0), "dec": (-90.0, 90.0), "magpsf": (-5.0, 40.0)}


@dataclass(frozen=True)
class Packet:
    """
    One alert packet.

    Attributes
    ----------
    object_id, candid, schema_version, publisher : identity
    candidate : dict
        Scalar fields of the candidate under the names of ``raw.alerts``; floats that are not finite are None.
    previous : list of dict
        ``prv_candidates``: detections, and non-detections (``candid`` and ``magpsf`` None, with ``diffmaglim``), each with
        candid, jd, fid, magpsf, sigmapsf, isdiffpos, diffmaglim, rb, ra, dec.
    forced_photometry : list of dict
        ``fp_hists`` of ZTF's schema 4: jd, fid, forcediffimflux, forcediffimfluxunc, magzpsci, diffmaglim, procstatus, ranr, decnr.
        ``prvDiaForcedSources`` of Rubin's under its own names. May be empty.
    science, reference, difference : bytes or None
        Cutouts as they came: FITS, gzipped or not (see ``images.cutouts.decode_cutout``). The reference is what the surveys call
        template.
    refused : tuple of Rejection
        Previous candidates that were left out, each with its reason.
    survey : str
        Name of the survey that sent it.
    """

    object_id: str
    candid: int
    schema_version: str
    publisher: str
    candidate: dict[str, Any]
    previous: list[dict[str, Any]]
    forced_photometry: list[dict[str, Any]]
    science: bytes | None
    reference: bytes | None
    difference: bytes | None
    refused: tuple[Rejection, ...] = ()
    survey: str = field(kw_only=True)


def within(value: object, name: str, field_name: str | None = None) -> float:
    """A number within the plausible range of ``name``. Raises Rejection that calls it ``field_name`` otherwise."""
    low, high = RANGES[name]
    called = field_name or f"candidate.{name}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejection(f"{called} is {shown(value)}, a finite number is needed.", field=name)
    if not low <= value <= high:
        raise Rejection(f"{called} is {value!r}, outside {low} to {high}.", field=name, value=value)
    return float(value)


def entries(
    given: object, read: Callable[[object], dict[str, Any]], name: str, object_id: str, candid: int
) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """The entries of a list that ``read`` takes, and a rejection for each other one. Raises Rejection if it is no list."""
    if given is None:
        return [], []
    if not isinstance(given, list) or len(given) > MAX_PREVIOUS:
        raise Rejection(f"{name} is not a list of at most {MAX_PREVIOUS} entries.", field=name)
    kept, refused = [], []
    for index, entry in enumerate(given):
        try:
            kept.append(read(entry))
        except Rejection as why:
            refused.append(Rejection(f"{name}[{index}] left out: {why.reason}", candid=candid, object_id=object_id, index=index))
    return kept, refused


def cutout_bytes(content: object, name: str, missing: str) -> bytes | None:
    """The bytes of a cutout, None if there are none. Raises Rejection with ``missing`` if it is no bytes, or too many."""
    if not isinstance(content, bytes):
        raise Rejection(f"{name} {missing}.", field=name)
    if len(content) > MAX_CUTOUT_BYTES:
        raise Rejection(f"{name} has {len(content)} bytes, at most {MAX_CUTOUT_BYTES} are read.", n_bytes=len(content))
    return content or None


def lost_text(name: str, value: object, object_id: str, candid: int) -> Rejection:
    """Says that a text was left out."""
    reason = f"{name} is {shown(value)}, not printable text of at most {MAX_TEXT_CHARACTERS} characters; it is left empty."
    return Rejection(reason, candid=candid, object_id=object_id, field=name)


def cutouts_carried(packet: Packet) -> Mapping[str, bool]:
    """Which cutouts a packet carries, as columns of ``raw.alerts``."""
    return {
        "has_science_cutout": packet.science is not None,
        "has_reference_cutout": packet.reference is not None,
        "has_difference_cutout": packet.difference is not None,
    }
