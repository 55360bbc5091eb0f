"""An answer that is a list, taken apart without changing a byte of its parts: each object's part can be kept as it came."""

import json
import re
from typing import Any

from needle_assets.fetch.around import AnswerError, DamagedError
from needle_assets.landing.values import shown

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def pieces_of_list(content: bytes) -> list[tuple[bytes, Any]]:
    """
    The elements of a JSON list: the bytes of each, and what they say.

    Raises
    ------
    DamagedError
        If the answer is not whole JSON.
    AnswerError
        If it is JSON, but no list.
    """
    try:
        text = content.decode("utf-8-sig")
        start = _after_space(text, 0)
        if text[start : start + 1] != "[":
            value, _ = _DECODER.raw_decode(text, start)
            raise AnswerError(f"a list was expected, the answer is {shown(value)}.")
        return _elements(text, start + 1)
    except (ValueError, RecursionError):
        raise DamagedError(f"the answer of {len(content)} bytes is not JSON.") from None


def _elements(text: str, position: int) -> list[tuple[bytes, Any]]:
    found: list[tuple[bytes, Any]] = []
    position = _after_space(text, position)
    while text[position : position + 1] != "]":
        value, end = _DECODER.raw_decode(text, position)
        found.append((text[position:end].encode(), value))
        position = _after_space(text, end)
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
        elif text[position : position + 1] != "]":
            raise ValueError("the list has no end")
    return found


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
