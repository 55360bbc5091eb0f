"""Which objects are kept untouched, and which model validates on which of the others (paper, sections 6.2 and 6.3)."""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from needle_assets.settings import SplitSettings
from needle_assets.surveys.clock import MJD_DAY_0


@dataclass(frozen=True)
class Labelled:
    """
    A labelled object: its class, whether it has a host, when it was first detected [MJD], and other ids of the same object.

    ``other_ids`` come from :func:`needle_assets.samples.identity.groups`; they need not be labelled.
    """

    object_id: str
    label: str
    is_hosted: bool
    first_mjd: float
    other_ids: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The smallest id of the object: the same whichever of its ids is asked."""
        return min((self.object_id, *self.other_ids))


@dataclass(frozen=True)
class Place:
    """Where an object belongs: kept untouched, or the numbers of the models that validate on it (the others train on it)."""

    is_untouched: bool
    validation_of: tuple[int, ...] = ()


def assign(objects: Iterable[Labelled], known: Mapping[str, Place], settings: SplitSettings) -> dict[str, Place]:
    """
    A place for every object; those that have one keep it.

    Parameters
    ----------
    objects : iterable of Labelled
        In any order: the result does not depend on it. All ids of one object carry one label.
    known : mapping of object_id to Place
        Places given before.
    settings : SplitSettings
        Folds or hold-outs, and what is untouched.

    Returns
    -------
    dict of object_id to Place
        With ``scheme="folds"`` one fold each: the emptiest one of the object's label and host flag, ties by the hash of its id and
        of the number of the deal.
        With ``"holdouts"`` any number of the repeated random hold-outs, each with the same share of every label and host flag.
        All ids of one object have one place.

    Notes
    -----
    Section 6.2 speaks of 10 folds and of 20 % hold-outs in one breath; the authors' code draws 10 independent hold-outs without a
    seed. The untouched set is closed: an object is judged once, when it first appears, by its first detection.

    Ids that turn out to be one object after they were given different places move together: into the untouched set where one of
    them is in it, else to the place of the id that was detected first (then the smaller one). Nothing else moves.
    """
    ids_of = defaultdict(list)
    for found in sorted(objects, key=lambda found: found.object_id):
        ids_of[found.identity].append(found)
    places = {name: place for name, ids in ids_of.items() if (place := _known_place(ids, known)) is not None}
    places |= {
        name: Place(is_untouched=True) for name, ids in ids_of.items() if name not in places and is_untouched(ids, settings)
    }
    strata: dict[tuple[str, bool], dict[str, int]] = defaultdict(dict)
    for name, ids in sorted(ids_of.items()):
        if not (name in places and places[name].is_untouched):
            strata[ids[0].label, any(found.is_hosted for found in ids)][name] = len(ids)
    deal = _deal_folds if settings.scheme == "folds" else _deal_holdouts
    for sizes in strata.values():
        places |= deal(sizes, places, settings)
    return {found.object_id: places[name] for name, ids in ids_of.items() for found in ids}


def _known_place(ids: Sequence[Labelled], known: Mapping[str, Place]) -> Place | None:
    """Where an object was placed before, under any of its ids."""
    placed = [found for found in ids if found.object_id in known]
    if not placed:
        return None
    if any(known[found.object_id].is_untouched for found in placed):
        return Place(is_untouched=True)
    return known[min(placed, key=lambda found: (found.first_mjd, found.object_id)).object_id]


def is_untouched(ids: Sequence[Labelled], settings: SplitSettings) -> bool:
    """
    Whether an object that appears now is kept aside, given under all its ids.

    By the ids of the settings, any of which names the object; else by the closed window of first detections.
    """
    if settings.untouched_ids:
        names = {name for found in ids for name in (found.object_id, *found.other_ids)}
        return not names.isdisjoint(settings.untouched_ids)
    start, end = untouched_window_mjd(settings)
    return start <= min(found.first_mjd for found in ids) < end


def untouched_window_mjd(settings: SplitSettings) -> tuple[float, float]:
    """First moment of the window and the first one after it [MJD]; both days of the settings belong to it."""
    first, last = ((dt.date.fromisoformat(day) - MJD_DAY_0).days for day in (settings.untouched_from, settings.untouched_until))
    return float(first), float(last + 1)


def rule(settings: SplitSettings) -> str:
    """What the places were given by, as text; another text is a request to give all of them anew."""
    kept = ",".join(settings.untouched_ids) or f"{settings.untouched_from}..{settings.untouched_until}"
    share = "" if settings.scheme == "folds" else f" of {settings.holdout_fraction:g}"
    return f"{settings.n_folds} {settings.scheme}{share}, untouched {kept}, deal {settings.deal}"


def groups_of_folds(folds: Sequence[int], labels: Sequence[str], n_folds: int) -> tuple[int, ...] | None:
    """
    Join folds until each holds every class, for samples too small for as many folds as asked.

    Parameters
    ----------
    folds, labels : sequence of int, of str
        Fold and class of the objects that a kind of model can use.
    n_folds : int
        Number of folds asked for.

    Returns
    -------
    tuple of int, length ``n_folds``, or None
        Group of each fold; the identity where every fold holds every class; None if not even two groups do.
    """
    counts = np.zeros((n_folds, len(set(labels))), dtype=int)
    for fold, label in zip(folds, labels, strict=True):
        counts[fold, sorted(set(labels)).index(label)] += 1
    if counts.size and (counts > 0).all():
        return tuple(range(n_folds))
    for n_groups in range(n_folds - 1, 1, -1):
        groups = _joined(counts, n_groups)
        if groups is not None:
            return groups
    return None


def _joined(counts: np.ndarray, n_groups: int) -> tuple[int, ...] | None:
    rarity = (counts / np.maximum(counts.sum(axis=0), 1)).sum(axis=1)
    groups = np.zeros(len(counts), dtype=int)
    held, weight = np.zeros((n_groups, counts.shape[1]), dtype=bool), np.zeros(n_groups)
    for fold in sorted(range(len(counts)), key=lambda k: (-rarity[k], k)):
        gained = ((counts[fold] > 0) & ~held).sum(axis=1)
        best = min(range(n_groups), key=lambda g: (-gained[g], weight[g], g))
        groups[fold] = best
        held[best] |= counts[fold] > 0
        weight[best] += rarity[fold]
    return tuple(groups.tolist()) if held.all() else None


def _deal_folds(sizes: Mapping[str, int], places: Mapping[str, Place], settings: SplitSettings) -> dict[str, Place]:
    """``sizes``: number of ids by object."""
    counts = [0] * settings.n_folds
    for object_id, size in sizes.items():
        if object_id in places:
            counts[places[object_id].validation_of[0]] += size
    dealt = {}
    turns = {object_id: _hash(object_id, settings) for object_id in sizes if object_id not in places}
    for object_id in sorted(turns, key=turns.__getitem__):
        emptiest = [fold for fold, count in enumerate(counts) if count == min(counts)]
        fold = emptiest[turns[object_id] % len(emptiest)]
        counts[fold] += sizes[object_id]
        dealt[object_id] = Place(is_untouched=False, validation_of=(fold,))
    return dealt


def _deal_holdouts(members: Mapping[str, int], places: Mapping[str, Place], settings: SplitSettings) -> dict[str, Place]:
    new = [object_id for object_id in members if object_id not in places]
    chosen: dict[str, list[int]] = {object_id: [] for object_id in new}
    wanted = round(settings.holdout_fraction * len(members))
    for number in range(settings.n_folds):
        already = sum(number in places[object_id].validation_of for object_id in members if object_id in places)
        by_hash = sorted(new, key=lambda object_id: _hash(f"{number} {object_id}", settings))
        for object_id in by_hash[: max(wanted - already, 0)]:
            chosen[object_id].append(number)
    return {object_id: Place(is_untouched=False, validation_of=tuple(numbers)) for object_id, numbers in chosen.items()}


def _hash(text: str, settings: SplitSettings) -> int:
    # The first deal is that of the names alone.
    dealt = text if settings.deal == 1 else f"deal {settings.deal}: {text}"
    return int.from_bytes(hashlib.sha256(dealt.encode()).digest()[:8], "big")
