"""What landed rows have in common: typed columns, checks of rows, and the rejection of each row that fails one."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.errors import Rejection
from needle_assets.landing.values import shown
from needle_assets.surveys.known import id_examples, is_object_id, object_id_pattern

MAX_TEXT_CHARACTERS = 80
NOTHING = frozenset(("", "-", "--", "nan", "none", "null", "n/a", "na"))

_NUMBER = re.compile(r"[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?")
_TRUE, _FALSE = ("true", "t", "1", "1.0", "yes"), ("false", "f", "0", "0.0", "no", "", "-", "none", "null", "nan")


def number_in(text: str) -> float | None:
    """The number that a text is; None if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def is_kept_as_landed(text: str, n_characters: int) -> bool:
    """Whether a text may stand in a table as it came: not too long, and no control characters."""
    return len(text) <= n_characters and text.isprintable()


def with_numbers(frame: pl.DataFrame, names: Mapping[str, object]) -> pl.DataFrame:
    """The named columns as Float64; what is no number is null, true and false too, and so is -999."""
    none = pl.lit(None, pl.Float64)
    cast = frame.with_columns(
        (none if frame.schema[name] == pl.Boolean else _stripped(frame, name).cast(pl.Float64, strict=False)).alias(name)
        for name in names
    )
    return cast.with_columns(pl.when(pl.col(name) != -999).then(pl.col(name)) for name in names)


def with_flags(frame: pl.DataFrame) -> pl.DataFrame:
    """mw_corrected as boolean (null if it is neither), ids, band and source as text; an empty source is null."""
    said = plain_text("mw_corrected")
    flag = pl.when(said.is_null() | said.is_in(_FALSE)).then(False).when(said.is_in(_TRUE)).then(True)
    texts = [
        pl.col(name).cast(pl.String, strict=False).str.strip_chars() for name in ("object_id", "band") if name in frame.columns
    ]
    source = pl.col("source").cast(pl.String, strict=False)
    return frame.with_columns(flag.alias("mw_corrected"), *texts, pl.when(source != "").then(source).alias("source"))


def plain_text(name: str) -> pl.Expr:
    """A column as lower-case text without blanks around it."""
    return pl.col(name).cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()


def _stripped(frame: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars() if frame.schema[name] == pl.String else pl.col(name)


def id_check() -> tuple[pl.Expr, str]:
    """That object_id is an object id, and the sentence where it is not."""
    return pl.col("object_id").str.contains(rf"\A(?:{object_id_pattern()})\z"), f"object_id is no id like {id_examples()}."


def range_check(name: str, bounds: tuple[float, float]) -> tuple[pl.Expr, str]:
    """That a column is a number within bounds, and the sentence where it is not."""
    low, high = bounds
    return pl.col(name).is_finite() & pl.col(name).is_between(low, high), f"{name} is not a number from {low:g} to {high:g}."


def flag_check() -> tuple[pl.Expr, str]:
    """That mw_corrected says something, and the sentence where it does not."""
    return pl.col("mw_corrected").is_not_null(), "mw_corrected is neither true nor false."


def split(
    path: Path, typed: pl.DataFrame, given: pl.DataFrame, checks: Sequence[tuple[pl.Expr, str]]
) -> tuple[pl.DataFrame, list[Rejection]]:
    """The rows that pass every check, and a rejection with the first failed one for each other row."""
    reason = pl.coalesce(pl.when(holds.fill_null(value=False).not_()).then(pl.lit(text)) for holds, text in checks)
    judged = typed.with_columns(reason.alias("reason"))
    refused = judged.filter(pl.col("reason").is_not_null()).select("row", "reason").join(given, on="row", how="left")
    rejections = [_refused_row(path, row) for row in refused.iter_rows(named=True)]
    return judged.filter(pl.col("reason").is_null()).drop("reason"), rejections


def _refused_row(path: Path, row: Mapping[str, Any]) -> Rejection:
    measured: dict[str, Any] = {name: plain_value(name, value) for name, value in row.items() if name != "reason"}
    return Rejection(f"row {row['row']} of {path.name}: {row['reason']}", **measured)


def plain_value(name: str, value: object) -> object:
    """A value of a refused row as it may stand in a message."""
    if name == "object_id" and is_object_id(value):
        return value
    return value if value is None or isinstance(value, bool | int | float) else shown(value)


def with_kept_sources(path: Path, accepted: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection]]:
    """``source`` as it landed; one that is too long or has control characters becomes null, with a rejection for each object."""
    bad = [
        source
        for source in accepted["source"].drop_nulls().unique().to_list()
        if not is_kept_as_landed(source, 4 * MAX_TEXT_CHARACTERS)
    ]
    if not bad:
        return accepted, []
    of_object = accepted.filter(pl.col("source").is_in(bad)).unique("object_id", keep="first", maintain_order=True)
    reason = f"source is not printable text of at most {4 * MAX_TEXT_CHARACTERS} characters; it is left null."
    rejections = [
        Rejection(f"row {row} of {path.name}: {reason}", object_id=object_id, row=row, column="source", given=shown(source))
        for row, object_id, source in of_object.select("row", "object_id", "source").iter_rows()
    ]
    return accepted.with_columns(pl.when(pl.col("source").is_in(bad).not_()).then(pl.col("source"))), rejections
