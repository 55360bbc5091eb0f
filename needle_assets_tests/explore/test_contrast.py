"""Colours of the pages can be told apart by everybody who reads them: WCAG 2.2, level AA."""

import re

import pytest

from needle_assets.explore import plots
from needle_assets.explore.rendering import HERE
from needle_assets.surveys.looks import look_of

CSS = (HERE / "files" / "explore.css").read_text()
TEXT, SHAPES = 4.5, 3.0
WHITE = "#ffffff"


def rules() -> dict[str, dict[str, str]]:
    """Selectors with what they declare, variables resolved."""
    found: dict[str, dict[str, str]] = {}
    variables = dict(re.findall(r"(--[\w-]+):(#\w+)", CSS))
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CSS):
        resolved = re.sub(r"var\((--[\w-]+)\)", lambda v: variables[v[1]], body)
        declared = dict(part.split(":", 1) for part in resolved.split(";") if ":" in part)
        for selector in selectors.split(","):
            found.setdefault(selector.strip(), {}).update(declared)
    return found


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def behind(selector: str, known: dict[str, dict[str, str]]) -> list[str]:
    """What the text of a rule stands on: its own background, that of the bar, or those of page, card and marked row."""
    own = known[selector].get("background", "")
    if own.startswith("#"):
        return [own]
    if selector.startswith(".top"):
        return [known[".top"]["background"]]
    return [WHITE, known["body"]["background"], known[".list tr.marked"]["background"]]


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21.0)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


def test_every_text_can_be_read_on_what_it_stands_on() -> None:
    known = rules()
    texts = {s: d["color"] for s, d in known.items() if d.get("color", "").startswith("#")}
    texts |= {s: known["body"]["color"] for s, d in known.items() if d.get("background", "").startswith("#") and s not in texts}
    measured = {(s, b): contrast(colour, b) for s, colour in texts.items() if s not in TEXTLESS for b in behind(s, known)}
    assert len(measured) > 60
    assert {place: round(ratio, 2) for place, ratio in measured.items() if ratio < TEXT} == {}


TEXTLESS = (".top", "figure img", ".p-back")  # nothing is written on them, or it has a rule of its own


def test_bars_marks_and_frames_can_be_seen() -> None:
    known = rules()
    on_white = [known[s]["fill"] for s in (".p-sn", ".p-slsn", ".p-tde", ".here")] + list(plots.CLASS_COLOURS.values())
    on_white += [re.findall("#\\w+", known["input"]["border"])[0], *(look_of(band).colour for band in "ugrizy")]
    assert {c: round(contrast(c, WHITE), 2) for c in on_white if contrast(c, WHITE) < SHAPES} == {}
    bars = [contrast(known[s]["fill"], known[".p-back"]["fill"]) for s in (".p-sn", ".p-slsn", ".p-tde")]
    assert min(bars) >= SHAPES
