"""The paper's pictures of how images and light curves are prepared (Figures 1, 7 to 11, 13 and 14), from this warehouse's own objects."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import polars as pl

from needle_assets.assets.pictures.images import masked_stamps, restored_stamps
from needle_assets.assets.pictures.light_curves import feature_overview, gp_fit
from needle_assets.report.pieces import Heading, Note, Piece, picture
from needle_assets.warehouse import questions


class Asked(Protocol):
    """What answers questions."""

    def frame(self, query: str) -> pl.DataFrame:
        """Rows of a query."""


def features(warehouse: Asked) -> Iterator[Piece]:
    """Figure 1: which features go together."""
    frames = _frames(warehouse, questions.FEATURE_OVERVIEW)
    if all(len(frame) for frame in frames.values()):
        yield picture(feature_overview(frames))


def repairs(warehouse: Asked) -> Iterator[Piece]:
    """Figure 7: images that were repaired."""
    frames = _frames(warehouse, questions.REPAIRS)
    if len(frames["core.restored_stamps"]):
        yield picture(restored_stamps(frames))
        yield Note("Bad image, the good one of the same field, what was bad, and the result, which was judged good.")


def masks(warehouse: Asked) -> Iterator[Piece]:
    """Figures 8 to 11: what masking leaves, and how training turns it."""
    rows = warehouse.frame(questions.MASKED_OF_TYPES)
    if len(rows):
        yield picture(masked_stamps({"core.masked_stamps": rows}))


def resampled(warehouse: Asked) -> Iterator[Piece]:
    """Figures 13 and 14: light curves of the rare classes as seen from other redshifts."""
    frames = _frames(warehouse, questions.RESAMPLED_ROWS)
    for object_id, label in warehouse.frame(questions.RESAMPLED).iter_rows():
        yield Heading(f"{label} {object_id}")
        yield picture(gp_fit({name: frame.filter(pl.col("object_id") == object_id) for name, frame in frames.items()}))


def _frames(warehouse: Asked, queries: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    return {name: warehouse.frame(query) for name, query in queries.items()}
