"""What can go wrong. An error of ours is one clear sentence; a rejection is kept in ``core.rejections``, nothing is dropped in silence."""

import json
from collections.abc import Mapping


class NeedleError(Exception):
    """Base of every error of this package: its text is one sentence for whoever gave the command (what came, what to do)."""


class WarehouseError(NeedleError):
    """The database cannot be used; the message says why and what to do."""


class DamagedWarehouseError(WarehouseError):
    """The database itself is damaged; trying again changes nothing."""


class Rejection(NeedleError):  # noqa: N818 - a refusal is an outcome, not an error
    """
    Something that cannot be used, with the reason and what was measured: raised, returned, and one row of ``core.rejections``.

    Parameters
    ----------
    reason : str
        One clear sentence: what came, what was needed, what to do.
    candid : int, optional
        The alert packet it concerns, if it is not the whole object.
    **measured : float, int, str or bool
        The numbers behind the decision, stored as JSON; ``object_id`` is the object it concerns.

    Attributes
    ----------
    is_passing : bool
        Whether the fault may be gone the next time though the file is the same, as with a disk or a right that is missing.
    """

    def __init__(self, reason: str, *, candid: int | None = None, **measured: object) -> None:
        super().__init__(reason)
        self.reason = reason
        self.candid = candid
        self.is_passing = False
        self.measured = measured
        named = measured.get("object_id")
        self.object_id = None if named is None else str(named)

    def also(self, reason: str | None = None, *, candid: int | None = None, **measured: object) -> "Rejection":
        """The same with more known of it: another sentence, the packet, further values."""
        known = self.candid if candid is None else candid
        told = Rejection(reason or self.reason, candid=known, **{**self.measured, **measured})
        told.is_passing = self.is_passing
        return told


def as_json(measured: Mapping[str, object]) -> str:
    """Measured values as JSON; what JSON has no word for becomes text."""
    return json.dumps({key: _plain(value) for key, value in measured.items()}, sort_keys=True, default=str)


def _plain(value: object) -> object:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None if value != value else str(value)
    return value
