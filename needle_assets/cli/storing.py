"""``needle warehouse``: where the tables lie, and whether two warehouses hold the same."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from needle_assets.cli.given import fail
from needle_assets.home import Home, bind, place_of, wanted_place

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

warehouse = typer.Typer(no_args_is_help=True, help="Take the tables from the file into a lake and back; compare two warehouses.")


@warehouse.command()
def copy(as_json: Json = False) -> None:
    """Take the tables to where the settings want them, row for row; what lies where they were is kept."""
    from needle_assets.cli.verbs import shown_progress

    with shown_progress(not as_json) as progress:
        result = run_copy(Home.from_environment(), progress)
    text = f"{result['tables']} tables, {result['rows']} rows, each equal: now in {result['now_in']}. {result['kept']} is kept."
    typer.echo(json.dumps(result) if as_json else text)


@warehouse.command()
def compare(
    other: Annotated[Path, typer.Argument(metavar="HOME", help="Another home.")],
    exact: Annotated[bool, typer.Option("--exact", help="Times and ids of runs count too.")] = False,
    as_json: Json = False,
) -> None:
    """Say whether another home's published tables hold the same rows, times and ids of runs apart; exit code 1 if not."""
    result = run_compare(Home.from_environment(), other, is_exact=exact)
    typer.echo(json.dumps(result) if as_json else _compared(result))
    if result["differences"]:
        raise SystemExit(1)


def _compared(result: dict[str, Any]) -> str:
    differences = result["differences"]
    what = "the same in both" if not differences else f"{len(differences)} of them differ"
    return "\n".join([f"{result['tables']} tables, {result['rows']} rows: {what}", *differences])


@warehouse.command()
def recompute(
    training: Annotated[str, typer.Argument(metavar="ID", help="A training set, as results.fold_models names it.")],
    as_json: Json = False,
) -> None:
    """Compute the metrics of a past training again, from what they were computed from; exit code 1 if one differs."""
    from needle_assets.pipeline.again import metrics_again

    result = asdict(metrics_again(Home.from_environment(), training))
    text = f"{result['metrics']} metrics of {training} computed again: {result['differing'] or 'none'} differ from what is stored"
    typer.echo(json.dumps(result) if as_json else text)
    if result["differing"]:
        raise SystemExit(1)


def run_copy(home: Home, progress: Any) -> dict[str, Any]:
    """
    Take a home's tables to where its settings want them; returns what ``--json`` prints.

    Raises
    ------
    WarehouseError, HomeBusyError
        If there is nothing to do, something lies there already, or what arrived is not what was sent; all stays as it was.
    """
    from needle_assets.warehouse.copies import moving

    with home.prepare().lock(what="copy of the warehouse"):
        wanted, known = wanted_place(home), place_of(home)
        if wanted == known or not (known or home.working.exists()):
            fail(f"{home.path} has nothing to take elsewhere; name another place in [warehouse] of {home.settings_file} first.")
        if wanted and known:
            fail(
                "from one lake into another there is no way but through a file; empty [warehouse], copy, then name the new lake."
            )
        moved = moving.move(home, wanted, progress)
    return {"home": str(home.path), **moved}


def run_compare(home: Home, other: Path, *, is_exact: bool = False) -> dict[str, Any]:
    """What differs between the published tables of two homes; returns what ``--json`` prints. Raises WarehouseError."""
    from needle_assets.warehouse.connection import reading
    from needle_assets.warehouse.copies.comparing import compared

    second = Home(other.expanduser().resolve())
    bind(second)
    both = [(found.published, reading(found.published)) for found in (home, second)]
    differences, tables, rows = compared(both, is_exact=is_exact)
    return {"differences": differences, "tables": tables, "rows": rows}


def maintain(
    days: Annotated[float, typer.Option(min=0, help="Remove files that nothing names and that are so old.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Upkeep of a lake: merge small files, let old snapshots go; what is published, and each training, stays."""
    result = run_maintain(Home.from_environment(), days=days)
    text = (
        f"files: {result['files_before']} before, {result['files_after']} now ({result['bytes_after'] / 1e6:.1f} MB); snapshots: "
        f"{result['snapshots_expired']} expired, {result['snapshots_kept']} kept; {result['files_removed']} old files removed"
    )
    typer.echo(json.dumps(result) if as_json else text)


def run_maintain(home: Home, *, days: float) -> dict[str, Any]:
    """Look after the lake of a home; returns what ``--json`` prints. Raises WarehouseError, HomeBusyError, SettingsError."""
    from needle_assets.warehouse.connection import kept_open
    from needle_assets.warehouse.lake.place import lake_of
    from needle_assets.warehouse.lake.upkeep import maintain as look_after

    settings = home.prepare().settings()
    lake = lake_of(home.working)
    if lake is None:
        fail(f"{home.path} keeps its tables in one file, which needs no upkeep; `needle maintain` is for a lake.")
    with home.lock(what="upkeep"), kept_open(home.working, what="upkeep"):
        return look_after(lake, n_published=settings.publishing.kept + 1, days=days).as_dict()
