"""Which pair of an object stands for it (paper, section 3.2): the preferred band first, good before repaired."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Candidate(NamedTuple):
    """
    A usable pair.

    Parameters
    ----------
    candid : int
        Packet id.
    band : str
        Band.
    mjd : float
        Start of the exposure [MJD].
    mag : float or None
        Magnitude of the transient in it; None if unknown.
    is_restored : bool
        Whether either image is a repaired one.
    is_positive : bool
        Whether the transient is brighter than in the reference.
    """

    candid: int
    band: str
    mjd: float
    mag: float | None
    is_restored: bool
    is_positive: bool = True


def choose_pair(candidates: Iterable[Candidate], classification_mjd: float, bands: Sequence[str]) -> Candidate | None:
    """
    The best pair at or before the classification epoch, or None if there is none.

    Original pairs come before repaired ones, then those of an earlier one of ``bands``, then the brightest detection, then the
    latest. Pairs in another band, or in which the transient is fainter than in the reference, are never chosen.

    Notes
    -----
    The authors' code tries the five brightest detections of r, then of g, and takes the first good pair, at any time: also long
    after the object would have been classified.
    """
    usable = [c for c in candidates if c.mjd <= classification_mjd and c.band in bands and c.is_positive]
    return min(usable, key=lambda candidate: _rank(candidate, bands), default=None)


def _rank(candidate: Candidate, bands: Sequence[str]) -> tuple[bool, int, bool, float, float, int]:
    return (
        candidate.is_restored,
        bands.index(candidate.band),
        candidate.mag is None,
        0.0 if candidate.mag is None else candidate.mag,
        -candidate.mjd,
        candidate.candid,
    )
