"""``python -m needle_assets.stages [PRODUCT ...]``: where the function of each stage, and what draws its picture, stands in the code."""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from needle_assets.stages import STAGES, stage_named


def places(names: Sequence[str]) -> Iterator[str]:
    """A line ``file:line product`` for each function; of all products if none is named."""
    for stage in [stage_named(name) for name in names] or STAGES:
        yield f"{_place(stage.function())} {stage.table}"
        if stage.picture is not None:
            yield f"{_place(stage.picture.function())} {stage.table}, picture"


def _place(function: Callable[..., Any]) -> str:
    path = Path(inspect.getfile(function))
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{inspect.getsourcelines(function)[1]}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(places(sys.argv[1:])) + "\n")
