"""Pictures in the UI: for the few objects that somebody asked for by name, drawn from the stored rows. The explorer draws all others."""

import base64
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from needle_assets.pipeline import tell
from needle_assets.pipeline.session import Session
from needle_assets.stages import Stage

if TYPE_CHECKING:  # matplotlib, which a run that draws nothing does without
    from matplotlib.figure import Figure

# A picture takes a third of a second and some 30 kB in the event log: for whoever looks at one object, never for a night of thousands.
OBJECTS_PER_RUN = 4


def make(
    session: Session, stage: Stage, keys: Sequence[str | None], asked: Sequence[str | None]
) -> dict[str | None, dg.MetadataValue]:
    """
    Markdown with an inline picture, by object, where a run was asked for at most four of them by name.

    A picture that cannot be drawn becomes a text that says why: it only shows what is stored, and stops nothing.
    """
    if stage.picture is None or len(asked) > OBJECTS_PER_RUN:
        return {}
    return {key: drawn(partial(_markdown, session, stage, key)) for key in keys if key in asked}


def drawn(draw: Callable[[], dg.MetadataValue]) -> dg.MetadataValue:
    """What ``draw`` returns, or why it could not be drawn."""
    try:
        return draw()
    except Exception as error:
        return dg.MetadataValue.text(f"the picture could not be drawn ({type(error).__name__}: {error})")


def _markdown(session: Session, stage: Stage, key: str | None) -> dg.MetadataValue:
    assert stage.picture is not None
    figure = stage.picture.function()(tell.picture_rows(session, stage, key))
    return markdown(figure, f"{stage.table} of {key}")


def markdown(figure: "Figure", title: str) -> dg.MetadataValue:
    """A figure as Dagster shows it: inline, so that it needs no other file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    text = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{text})")
