"""What must never happen between training and judging, as functions that find it. Called before every training, and by tests."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from needle_assets.errors import NeedleError


class LeakError(NeedleError):
    """Something that judges a model would also train it; the message names it. Nothing was trained."""


@dataclass(frozen=True)
class Parents:
    """Where a synthetic sample comes from."""

    light_curve: str
    image: str


@dataclass(frozen=True)
class TrainingPart:
    """
    Who has a part in one model.

    Parameters
    ----------
    trained : collection of str
        Objects whose rows the weights are fitted to.
    validated : collection of str
        Objects that stop the training early and whose scores are reported.
    parents : collection of Parents
        Of the synthetic samples in the training part.
    parted : collection of str
        Everything that the model is not judged by, usable by it or not: a hostless object cannot train NEEDLE-TH, but its light
        curve can be a parent.
    scaled : collection of str
        Objects that scaler, imputer and feature weights were fitted to.
    identity : mapping of str to str
        One name for all ids of the same object, at least for those that have several; an id that is not in it stands for itself.
    """

    trained: Collection[str]
    validated: Collection[str]
    parents: Collection[Parents] = ()
    parted: Collection[str] = ()
    scaled: Collection[str] = ()
    identity: Mapping[str, str] = field(default_factory=dict)


def require_no_leak(part: TrainingPart, untouched: Collection[str]) -> None:
    """
    Raise LeakError unless the training part stands apart from everything that judges it.

    Notes
    -----
    In the authors' lists three TDEs are both trained on and untouched, and their scaler is fitted to everything.
    """
    trained, untouched_ids, same = set(part.trained), set(untouched), part.identity
    _require_none(_among(trained, untouched_ids, same), "are untouched and would be trained on")
    _require_none(_among(trained, part.validated, same), "are in the training part and in the validation part")
    _require_none(_among(part.validated, untouched_ids, same), "are untouched and would stop the training")
    parents = {name for pair in part.parents for name in (pair.light_curve, pair.image)}
    judging = set(part.validated) | untouched_ids
    _require_none(_among(parents, judging, same), "are parents of synthetic samples and would judge the model")
    _require_none(parents - trained - set(part.parted), "are parents of synthetic samples but not in the training part")
    _require_none(set(part.scaled) - trained, "were used to fit the scaler but are not in the training part")


def _among(ids: Collection[str], others: Collection[str], identity: Mapping[str, str]) -> set[str]:
    """Ids of objects that ``others`` name too, under whatever id."""
    known = {identity.get(object_id, object_id) for object_id in others}
    return {object_id for object_id in ids if identity.get(object_id, object_id) in known}


def _require_none(found: Iterable[str], what: str) -> None:
    names = sorted(found)
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise LeakError(f"leak: {shown} {what}.")
