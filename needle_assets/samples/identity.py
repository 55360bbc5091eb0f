"""Which catalogue ids are one object in the sky: the same name given by the IAU, or the same place."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from needle_assets.samples.positions import directions
from needle_assets.shapes import require_columns

SAME_PLACE_ARCSEC = 1.5
_IAU_NAME = re.compile(r"(?:(?:sn|at|tde|slsn|psn)[\s_-]*)?((?:18|19|20)[0-9]{2})\s*([a-z]+)", re.IGNORECASE)


def groups(
    object_ids: Sequence[str],
    iau_names: Sequence[str | None],
    ra_deg: NDArray[np.floating],
    dec_deg: NDArray[np.floating],
    *,
    radius_arcsec: float = SAME_PLACE_ARCSEC,
    joined_ids: Sequence[tuple[str, str]] = (),
) -> dict[str, tuple[str, ...]]:
    """
    All ids of the object that each id names.

    Parameters
    ----------
    object_ids : sequence of str, length n
        Each once; in any order: the result does not depend on it.
    iau_names : sequence of str or None, length n
        As catalogues write them; what is no name of the IAU joins nothing.
    ra_deg, dec_deg : ndarray, shape (n,)
        Position [deg]; an object without one (NaN) is known by its name alone.
    radius_arcsec : float
        Ids that lie at most this far apart on the sphere are one object.
    joined_ids : sequence of (str, str)
        Pairs of ids that are known to be one object; those with an id that is not among ``object_ids`` join nothing.

    Returns
    -------
    dict of object_id to tuple of object_id
        Every id of the object, sorted, the key included. Being one is handed on: where A is B and B is C, A is C.

    Notes
    -----
    ZTF gives a new id where a detection lies more than 1.5 arcsec from the first one's place, so one supernova may have two.
    """
    require_columns(object_ids=object_ids, iau_names=iau_names, ra_deg=ra_deg, dec_deg=dec_deg)
    order = np.argsort(np.asarray(object_ids, dtype=str), kind="stable")
    ids = [object_ids[k] for k in order]
    pairs = [
        _same_name([iau_names[k] for k in order]),
        _same_place(np.asarray(ra_deg, dtype=float)[order], np.asarray(dec_deg, dtype=float)[order], radius_arcsec),
        _known_pairs(ids, joined_ids),
    ]
    first, second = np.concatenate(pairs).T
    joined = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(ids), len(ids)))
    members: dict[int, list[str]] = {}
    numbers = connected_components(joined, directed=False)[1].tolist() if ids else []
    for object_id, number in zip(ids, numbers, strict=True):
        members.setdefault(number, []).append(object_id)
    together = [tuple(found) for found in members.values()]
    return {object_id: found for found in together for object_id in found}


def _known_pairs(ids: Sequence[str], joined_ids: Sequence[tuple[str, str]]) -> NDArray[np.intp]:
    row_of = {object_id: k for k, object_id in enumerate(ids)}
    pairs = [(row_of[one], row_of[other]) for one, other in joined_ids if one in row_of and other in row_of]
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def iau_designation(name: str | None) -> str | None:
    """
    Year and letters of a name given by the IAU, as in 2020abc; None for anything else.

    The prefix (SN, AT, TDE, SLSN, none), blanks and the case of the letters tell no two objects apart.
    """
    found = _IAU_NAME.fullmatch(name.strip()) if name else None
    return found[1] + found[2].lower() if found else None


def conflicts(labels: Mapping[str, str], same_as: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, str]]:
    """
    Labels of an object's other ids where these are not its own.

    Parameters
    ----------
    labels : mapping of object_id to str
        Of the labelled objects alone.
    same_as : mapping of object_id to tuple of object_id
        From :func:`groups`.

    Returns
    -------
    dict of object_id to dict of object_id to str
        For every id of an object with more than one label: all its ids that have a label, and which.
    """
    named = {
        object_id: {other: labels[other] for other in same_as.get(object_id, (object_id,)) if other in labels}
        for object_id in labels
    }
    return {object_id: found for object_id, found in named.items() if len(set(found.values())) > 1}


def _same_name(iau_names: Sequence[str | None]) -> NDArray[np.intp]:
    """Pairs (first with the name, later one), shape (k, 2)."""
    first: dict[str, int] = {}
    pairs = []
    for k, name in enumerate(iau_names):
        designation = iau_designation(name)
        if designation is not None and first.setdefault(designation, k) != k:
            pairs.append((first[designation], k))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _same_place(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64], radius_arcsec: float) -> NDArray[np.intp]:
    """Pairs of rows at most ``radius_arcsec`` apart, shape (k, 2); on the sphere, so neither RA 0 nor a pole is an edge."""
    known = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg))
    # A thousand rows at one place are a thousand pairs, not a million.
    places, first, place_of = np.unique(directions(ra_deg[known], dec_deg[known]), axis=0, return_index=True, return_inverse=True)
    chord = 2.0 * np.sin(np.deg2rad(radius_arcsec / 3600.0) / 2.0)
    near = cKDTree(places).query_pairs(chord, output_type="ndarray") if len(places) else np.zeros((0, 2), dtype=np.intp)
    at_one_place = np.stack([first[place_of.reshape(-1)], np.arange(len(known))], axis=1)
    return known[np.concatenate([first[near].reshape(-1, 2), at_one_place])].astype(np.intp)
