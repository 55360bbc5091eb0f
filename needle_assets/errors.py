"""What a refusal is. Science raises it, the warehouse keeps it in ``core.rejections``; nothing is dropped in silence."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


class Rejection(Exception):  # noqa: N818 - a refusal is an outcome, not an error
    """
    Something that cannot be used, with the reason and what was measured.

    Parameters
    ----------
    reason : str
        One clear sentence: what came, what was needed, what to do.
    candid : int, optional
        The alert packet it concerns, if it is not the whole object.
    **measured : float, int, str or bool
        The numbers behind the decision, stored as JSON.
    """

    def __init__(self, reason: str, *, candid: int | None = None, **measured: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.candid = candid
        self.measured = measured


@dataclass(frozen=True)
class Refused:
    """One row of ``core.rejections``: ``measured`` is JSON text."""

    object_id: str | None
    candid: int | None
    reason: str
    measured: str = "{}"


def as_json(measured: Mapping[str, object]) -> str:
    """Measured values as JSON; what JSON has no word for becomes text."""
    return json.dumps({key: _plain(value) for key, value in measured.items()}, sort_keys=True, default=str)


def _plain(value: object) -> object:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None if value != value else str(value)
    return value
