"""What the command was given, as values; and how it ends with one sentence where it cannot go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer


def tell(problems: Sequence[str]) -> None:
    """What was not done as asked though the command went on; the exit code is not 0 then."""
    for problem in problems:
        typer.echo(f"needle: {problem}", err=True)
    if problems:
        raise SystemExit(1)


def fail(sentence: str, code: int = 1) -> NoReturn:
    """End the command with one sentence."""
    typer.echo(f"needle: {sentence}", err=True)
    raise SystemExit(code)


def names(given: str | None) -> tuple[str, ...]:
    """Names joined by commas; none if nothing was given, which is not the same as a list of nothing."""
    names = tuple(name.strip() for name in (given or "").split(",") if name.strip())
    if given is not None and not names:
        fail(f"{given!r} names nothing; give names joined by commas, or leave the option out.", code=2)
    return names


def text_of(file: Path) -> str:
    """The query that a file holds, or one that needle_assets comes with: those are found by their name, wherever it is installed."""
    from needle_assets.warehouse.schema import sql_folder

    shipped = sql_folder() / "queries" / f"{file.stem}.sql"
    try:
        return (shipped if not file.exists() and shipped.exists() else file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(path.stem for path in shipped.parent.glob("*.sql")))
        why = getattr(error, "strerror", None) or "it is no text"
        fail(f"{file} cannot be read ({why}); give a file that holds one query, or the name of one of these: {known}.", code=2)
