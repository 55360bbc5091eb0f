"""Single values that somebody else wrote, taken for what they are within bounds, and shown without harm where they are not."""

import math
import re

from needle_assets.errors import Rejection

MISSING = -999.0
MAX_TEXT_CHARACTERS = 500
INT32, INT64 = 2**31, 2**63
SCALARS = (str, int, float, bool)

_UNSAFE = re.compile(r"[^\w .:;,+/=-]", re.ASCII)


def shown(value: object, n_characters: int = 60) -> str:
    """``value`` as short plain text for a message: no markup, no control characters, never long."""
    text = value[: 2 * n_characters] if isinstance(value, str | bytes) else value
    return _UNSAFE.sub("?", repr(text).strip("'\""))[:n_characters] or "empty"


def finite_or_none(value: object) -> object:
    """The value; None for a float that is not finite."""
    return None if type(value) is float and not math.isfinite(value) else value


def whole_number(value: object, name: str) -> int | None:
    """A whole number of 64 bits, or None. Raises Rejection that names the field otherwise."""
    if value is None:
        return None
    if type(value) is not int or not -INT64 <= value < INT64:
        raise Rejection(f"{name} is {shown(value)}, a 64-bit whole number is needed.", field=name)
    return value


def known_float(value: object) -> float | None:
    """A number; None where it is missing (-999), not finite, no number, or so large that it is damage."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value != MISSING and abs(value) < 1e30 else None


def known_integer(value: object, end: int) -> int | None:
    """A whole number from -end to end; None where it is missing (-999) or another thing."""
    return value if type(value) is int and value != MISSING and -end <= value < end else None


def printable_text(value: object) -> str | None:
    """A text as it came; None if it is empty, long or has control characters."""
    return value if isinstance(value, str) and value and len(value) <= MAX_TEXT_CHARACTERS and value.isprintable() else None
