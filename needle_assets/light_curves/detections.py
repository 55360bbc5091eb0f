"""Which entries of packets and photometry are the same detection. No cleaning: nothing is merged over nights here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from needle_assets.errors import Rejection

# Two exposures of one field in one band are at least 30 s of exposure and 8 s of readout apart; sources round or give mid-exposure.
SAME_EXPOSURE_DAYS = 3e-4

ORDER_OF_SOURCES = ("packet", "history")

# Signal to noise times the error of the magnitude, for small errors.
FLUX_ERROR_PER_MAG = 2.5 / math.log(10.0)


def merge_detections(
    entries: Iterable[Mapping[str, Any]],
    *,
    min_signal_to_noise: float = 0.0,
    same_exposure_days: float = SAME_EXPOSURE_DAYS,
    are_twins_refused: bool = False,
) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """
    One row per real detection.

    Parameters
    ----------
    entries : iterable of mappings
        ``candid`` (or None), ``mjd`` [d], ``band``, ``mag`` [mag], ``mag_err`` [mag], ``is_positive``, ``is_mw_corrected``,
        ``has_stamp``, ``source``, and optionally ``path`` to name the origin in a refusal. Any order.
    min_signal_to_noise : float
        A flux of fewer times its error is no detection. Forced photometry also lists where nothing was seen.
    same_exposure_days : float
        Entries of one band that are no farther apart are one detection.
    are_twins_refused : bool
        Whether two sources of one exposure that the survey numbers apart are a refusal of one of them, or pass for a repetition.

    Returns
    -------
    rows : list of dict
        Sorted by band and time. Entries of one exposure (by default within 3e-4 d, 26 s) are one detection: a packet's own
        candidate is preferred to an earlier detection told by a later packet, and that to photometry; among photometry, values not
        yet corrected for extinction, then the first source by name. ``has_stamp`` is true if any of them has one.
    rejections : list of Rejection
        Entries without a finite magnitude, with an error that is not positive, or with too little signal. The repeated ones are not
        refusals.

    Notes
    -----
    The authors' code keeps repeated epochs and never looks at ``isdiffpos``; here the sign stays with the detection.
    """
    usable: list[Mapping[str, Any]] = []
    rejections: list[Rejection] = []
    for entry in entries:
        if not _is_usable(entry):
            rejections.append(_unusable(entry))
        elif (signal_to_noise := FLUX_ERROR_PER_MAG / entry["mag_err"]) < min_signal_to_noise:
            rejections.append(_too_faint(entry, signal_to_noise, min_signal_to_noise))
        else:
            usable.append(entry)
    usable.sort(key=lambda e: (e["band"], e["mjd"]))
    groups = _same_exposure(usable, same_exposure_days)
    if are_twins_refused:
        rejections += [why for group in groups for why in _twins(group)]
    return [_preferred(group) for group in groups], rejections


def _is_usable(entry: Mapping[str, Any]) -> bool:
    mag, mag_err = entry["mag"], entry["mag_err"]
    return mag is not None and mag == mag and mag_err is not None and mag_err > 0


def _unusable(entry: Mapping[str, Any]) -> Rejection:
    return _refused(entry, "a detection without a magnitude and a positive error cannot be used; it is left out.")


def _too_faint(entry: Mapping[str, Any], signal_to_noise: float, needed: float) -> Rejection:
    said = f"a flux of {signal_to_noise:.2f} times its error is no detection, {needed:g} times are needed; it is left out."
    return _refused(entry, said, signal_to_noise=signal_to_noise)


def _refused(entry: Mapping[str, Any], reason: str, **measured: float) -> Rejection:
    return Rejection(
        reason,
        candid=entry["candid"],
        band=entry["band"],
        mjd=entry["mjd"],
        mag=entry["mag"],
        mag_err=entry["mag_err"],
        source=entry["source"],
        **measured,
    )


def _twins(group: Sequence[Mapping[str, Any]]) -> list[Rejection]:
    """Other sources of the same exposure than the one that is used, each once."""
    used = min(group, key=_preference)
    others = {entry["candid"]: entry for entry in group if entry["candid"] not in (None, used["candid"])}
    why = "another source of the same exposure belongs to the object too, and is used; this one is left out."
    return [_refused(entry, why) for entry in others.values()]


def _same_exposure(entries: Sequence[Mapping[str, Any]], within_days: float) -> list[list[Mapping[str, Any]]]:
    groups: list[list[Mapping[str, Any]]] = []
    for entry in entries:
        first = groups[-1][0] if groups else None
        if first is not None and first["band"] == entry["band"] and entry["mjd"] - first["mjd"] <= within_days:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _preferred(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    best = min(group, key=_preference)
    names = ("candid", "mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected", "source")
    return {**{name: best[name] for name in names}, "has_stamp": any(entry["has_stamp"] for entry in group)}


def _preference(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    source = entry["source"]
    rank = ORDER_OF_SOURCES.index(source) if source in ORDER_OF_SOURCES else len(ORDER_OF_SOURCES)
    return (rank, entry["is_mw_corrected"], source, entry["mjd"], entry["mag"])


def merge_limits(
    limits: Iterable[Mapping[str, Any]],
    detections: Iterable[Mapping[str, Any]],
    *,
    same_exposure_days: float = SAME_EXPOSURE_DAYS,
) -> list[dict[str, Any]]:
    """
    One row per non-detection: repeated ones once (the deepest), and none where a detection of the same exposure exists.

    Parameters
    ----------
    limits : iterable of mappings
        ``mjd`` [d], ``band``, ``mag_limit`` [mag].
    detections : iterable of mappings
        ``mjd`` and ``band`` of the object's detections.
    same_exposure_days : float
        As in :func:`merge_detections`.
    """
    detected = {(d["band"], round(d["mjd"] / same_exposure_days) + shift) for d in detections for shift in (-1, 0, 1)}
    ordered = sorted(limits, key=lambda e: (e["band"], e["mjd"], -e["mag_limit"]))
    deepest = [max(group, key=lambda e: e["mag_limit"]) for group in _same_exposure(ordered, same_exposure_days)]
    kept = [e for e in deepest if (e["band"], round(e["mjd"] / same_exposure_days)) not in detected]
    return [{"mjd": e["mjd"], "band": e["band"], "mag_limit": e["mag_limit"]} for e in kept]
