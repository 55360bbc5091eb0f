"""What a value in ``settings.toml`` may be, as types: numbers with their ranges, names, dates, times of a schedule."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le, Lt, MinLen

from needle_assets.surveys.known import id_examples, is_object_id


@dataclass(frozen=True)
class Must:
    """A limit that only code can tell; ``said`` goes after "it must"."""

    hold: Callable[[Any], bool]
    said: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """How pydantic asks."""
        from pydantic_core.core_schema import no_info_after_validator_function

        return no_info_after_validator_function(self.require, handler(source))

    def require(self, value: Any) -> Any:
        """The value, if it holds; ValueError else."""
        if not self.hold(value):
            raise ValueError(f"it must {self.said}")
        return value


IS_LATER = "is_later"


def later(default: Any) -> Any:
    """A field that came after homes were filled: at its default all is computed as before, and it enters no fingerprint."""
    return field(default=default, metadata={IS_LATER: True})


def _is_day(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_timezone(name: str) -> bool:
    try:
        return bool(name) and zoneinfo.ZoneInfo(name) is not None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(re.fullmatch(r"https?://[^\s/]\S*", text)) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _has_secret(text: str) -> bool:
    """Whether a place carries a password or key, as ``password=`` or as in ``//user:password@host``."""
    return bool(re.search(r"password\s*=|secret\s*=|key_id|//[^/\s]*:[^/\s]*@", text, re.IGNORECASE))


_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 7, _WEEKDAYS))


def is_cron(text: str) -> bool:
    """Whether ``text`` is a time of day in cron's five fields, and one that comes. What it knows, Dagster knows."""
    fields = text.lower().split(" ")
    if len(fields) != len(_CRON):
        return False
    minutes, hours, days, months, _ = found = [_cron_numbers(*pair) for pair in zip(fields, _CRON, strict=True)]
    if not all(found) or not (minutes and hours and days and months):
        return False
    return min(days) <= max(_DAYS_OF_MONTH[month - 1] for month in months)


def _cron_numbers(field: str, allowed: tuple[int, int, tuple[str, ...]]) -> set[int]:
    """The numbers that one field of a cron text stands for; none if it cannot be read."""
    first, last, names = allowed
    for number, name in enumerate(names, start=first):
        field = re.sub(rf"\b{name}\b", str(number), field)
    numbers: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", part)
        if match is None or (match[1] and match[3] and not match[2]):
            return set()
        start = int(match[1] or first)
        end = int(match[2] or match[1] or last)
        step = int(match[3] or 1)
        if not first <= start <= end <= last or not 1 <= step <= last:
            return set()
        numbers |= set(range(start, end + 1, step))
    return numbers


Count = Annotated[int, Ge(1), Le(10**9)]
CountOrNone = Annotated[int, Ge(0), Le(10**9)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Pixels = Annotated[int, Ge(0), Lt(30)]  # half a stamp
Positive = Annotated[float, Gt(0.0)]
NotNegative = Annotated[float, Ge(0.0)]
Fraction = Annotated[float, Ge(0.0), Le(1.0)]
PositiveFraction = Annotated[float, Gt(0.0), Le(1.0)]
Days = Annotated[float, Ge(0.0), Le(100_000.0)]
RadiusPx = Annotated[float, Ge(0.0), Le(30.0)]
Magnitude = Annotated[float, Gt(0.0), Le(40.0)]
MagnitudeStep = Annotated[float, Ge(0.0), Le(10.0)]
Seconds = Annotated[float, Ge(0.0), Le(1e6)]
PositiveSeconds = Annotated[float, Gt(0.0), Le(1e6)]

Distinct = Must(lambda values: len(set(values)) == len(values), "name each only once")

Text = Annotated[str, MinLen(1)]
Url = Annotated[str, Must(_is_url, "begin with https:// or http:// and name a host")]
Catalogue = Annotated[
    str,
    Must(lambda text: not text or bool(re.match(r"postgres:|sqlite:.", text)), "begin with postgres: or sqlite:"),
    Must(lambda text: not _has_secret(text), "hold no password; give it in the environment (PGPASSWORD, or a file ~/.pgpass)"),
]
Storage = Annotated[
    str,
    Must(lambda text: "://" not in text or text.startswith("s3://"), "be a folder, or an address that begins with s3://"),
    Must(
        lambda text: not _has_secret(text), "hold no key; give it in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
    ),
]
Scheduler = Annotated[
    str,
    Must(
        lambda text: "://" not in text or bool(re.fullmatch(r"(tcp|tls)://[^/\s:]+:\d+", text)),
        "be a file, or like tcp://host:8786",
    ),
]
Day = Annotated[str, Must(_is_day, 'be a day such as "2024-02-25"')]
ObjectId = Annotated[str, Must(is_object_id, f"be an id like {id_examples()}")]
Cron = Annotated[str, Must(is_cron, 'be five fields of cron that come to pass, such as "0 13 * * *"')]
Timezone = Annotated[str, Must(_is_timezone, 'be a name of the time zone database, such as "UTC" or "America/Los_Angeles"')]
Label = Literal["SN", "SLSN-I", "TDE"]
_ABLATIONS = (
    r"unmasked|masked|(metadata|trees|stacked)(_early)?|(masked_upsampled(_ce)?|metadata_upsampled|trees_upsampled)(_[0-9]+)?"
)
AblationName = Annotated[
    str,
    Must(
        lambda name: bool(re.fullmatch(_ABLATIONS, name)),
        "be an ablation: unmasked, masked, masked_upsampled, masked_upsampled_ce, metadata, metadata_upsampled, "
        "metadata_early, trees, trees_upsampled, trees_early, stacked or stacked_early, or with a number as in masked_upsampled_50",
    ),
]


def require_order(section: object, lower: str, upper: str) -> None:
    """Raise ValueError where the setting of the first name is above that of the second."""
    low, high = getattr(section, lower), getattr(section, upper)
    if low > high:
        raise ValueError(f"{lower} = {low!r} must not be more than {upper} = {high!r}")
