"""What bands look like in pictures, whatever survey they are of: from blue to red, other bands in grey."""

from typing import NamedTuple


class Look(NamedTuple):
    """Colour (#rrggbb) and marker, as matplotlib names it; whether markers are full where colour says another thing than the band."""

    colour: str
    marker: str
    is_full: bool = False


LOOK_OF_BAND = {
    "u": Look("#6a4fb3", "^"),
    "g": Look("#2e8b57", "o", is_full=True),
    "r": Look("#b22222", "s"),
    "i": Look("#b8860b", "D"),
    "z": Look("#8b5a2b", "P"),
    "y": Look("#444444", "X"),
}
_OTHER = Look("#696969", "v")


def look_of(band: str) -> Look:
    """How points and curves of a band are drawn."""
    return LOOK_OF_BAND.get(band, _OTHER)


def in_order(bands: set[str]) -> list[str]:
    """Bands as a legend lists them: the known ones from blue to red, then others by name."""
    known = list(LOOK_OF_BAND)
    return sorted(bands, key=lambda band: (known.index(band) if band in known else len(known), band))
