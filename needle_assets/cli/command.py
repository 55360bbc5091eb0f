"""The command ``needle``. Parses, calls, prints; every error is one line, with --debug a traceback."""

import json
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

from needle_assets.processes import stopping

if __name__ == "__main__":
    stopping.watch()  # importing takes as long as some commands

import typer

from needle_assets.cli import said
from needle_assets.cli.given import fail as _fail
from needle_assets.cli.given import names as _names
from needle_assets.cli.given import tell as _tell
from needle_assets.cli.given import text_of as _text_of
from needle_assets.cli.storing import maintain, warehouse
from needle_assets.errors import NeedleError
from needle_assets.home import Home
from needle_assets.settings import as_nested_dict

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn ZTF alert packets into the training set and the models of NEEDLE.",
)
_state = {"debug": False}

export = typer.Typer(no_args_is_help=True, help="Write what others can use: a training set, the deployed models, candidates.")
app.add_typer(export, name="export")
app.add_typer(warehouse, name="warehouse")
app.command()(maintain)

Workers = Annotated[int | None, typer.Option(min=1, help="Processes that compute; as many as the settings say if left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Preset = Annotated[str | None, typer.Option(help="default, paper, needle2 or demo; fixed by the first refresh of a home.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"needle {metadata.version('needle_assets')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback has answered before
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    _state["debug"] = debug


@app.command()
def demo() -> None:
    """Simulate a survey, refresh a warehouse from it, train, report, and say where to look: ten minutes."""
    from needle_assets.cli.demonstration import main as run_demo

    run_demo()


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Written if it does not exist; a folder of the same seed grows.")],
    objects: Annotated[int, typer.Option(help="How many objects.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")],
    nights: Annotated[int | None, typer.Option(help="Nights from the start of the survey; all 2,700 if left out.")] = None,
    mix: Annotated[
        str | None, typer.Option(help="default, demo (rare classes enriched), or shares such as SN=0.8,TDE=0.2.")
    ] = None,
    survey: Annotated[str, typer.Option(help="Who looks: ztf, lsst, or both at the same transients.")] = "ztf",
    workers: Annotated[int, typer.Option(min=1, help="Processes that compute.")] = 2,
    as_json: Json = False,
) -> None:
    """Write a simulated survey: a landing folder, with the truth beside it."""
    from needle_assets.cli.verbs import run_simulate

    asked = {"objects": objects, "seed": seed, "nights": nights, "mix": mix, "survey": survey}
    result = run_simulate(folder, **asked, workers=workers, show=not as_json)  # type: ignore[arg-type]
    typer.echo(json.dumps(result) if as_json else said.simulated(result))


@app.command()
def fetch(
    source: Annotated[
        str,
        typer.Argument(
            help="bts, tns, archive, kafka, alerce, lasair, fink, fink_lsst, lasair_lsst, panstarrs, legacy, field-images or dust."
        ),
    ],
    landing: Annotated[Path, typer.Option(help="Landing folder; made if it does not exist.")],
    ids: Annotated[str | None, typer.Option(help="Only these objects, joined by commas.")] = None,
    nights: Annotated[str | None, typer.Option(help="Only these nights of the archive, such as 20240501,20240502.")] = None,
    topics: Annotated[str | None, typer.Option(help="Topics of the stream, joined by commas; ^ begins a pattern.")] = None,
    group: Annotated[str | None, typer.Option(help="Group of the stream's readers; the folder's own if left out.")] = None,
    start: Annotated[str | None, typer.Option(help="Where a new group begins in the stream: oldest or newest.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on reading the stream until stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Fill a landing folder from a live service; asks only for what is missing."""
    from needle_assets.cli.verbs import run_fetch

    asked = {
        "ids": _names(ids),
        "nights": _names(nights),
        "topics": _names(topics),
        "group": group,
        "start": start,
        "follow": follow,
    }
    result = run_fetch(Home.from_environment(), source, landing, asked, show=not as_json)
    typer.echo(json.dumps(result) if as_json else said.fetched(result))
    if not result["is_complete"]:
        _fail(f"{source} is not complete ({said.what_is_missing(result)}); run it again to go on.")


@app.command()
def refresh(
    landing: Annotated[Path | None, typer.Option(help="Landing folder; the one used before if left out.")] = None,
    preset: Preset = None,
    select: Annotated[
        str | None, typer.Option(help="Only these products, such as core/masks,core/gp_fits, and what they need.")
    ] = None,
    recompute: Annotated[str | None, typer.Option(help="Compute anew though nothing changed: all, or one product.")] = None,
    workers: Workers = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for another refresh to end.")] = 0.0,
    fetch_first: Annotated[
        bool, typer.Option("--fetch", help="First ask the services that the settings name: what the nightly schedule does.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Publish though models, scores or nights of the published file are gone.")
    ] = False,
    accept_shrunken: Annotated[
        bool, typer.Option("--accept-shrunken", help="Believe a catalogue, photometry or hosts that lost much or is gone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the warehouse up to date with the landing folder. Computes only what is stale."""
    from needle_assets.cli.verbs import RefreshOptions, run_night, run_refresh  # keeps `needle --help` fast

    options = RefreshOptions(
        landing=landing,
        preset=preset,
        select=_names(select),
        recompute=_names(recompute),
        workers=workers or 0,
        wait_seconds=wait,
        accept_loss=accept_loss,
        accept_shrunken=accept_shrunken,
    )
    work = run_night if fetch_first else run_refresh
    result = work(Home.from_environment(), options, show=not as_json)
    typer.echo(json.dumps(result, default=str) if as_json else said.refreshed(result))
    if fetch_first and result["night"]["failures"]:
        result["problems"].append("the night is stored, but not everything was fetched; run it again to go on.")
    _fail_if_any(result)


def _fail_if_any(result: dict[str, Any]) -> None:
    """Say everything that went wrong though work went on, and end with 1."""
    failed = {name: done["failed"] for name, done in result.get("assets", {}).items() if done["failed"]}
    if failed:
        named = ", ".join(f"{count} of {name}" for name, count in failed.items())
        result["problems"].append(f"{named} could not be computed; everything else was stored. core.rejections says why.")
    _tell(result["problems"])


@app.command()
def status(
    settings: Annotated[bool, typer.Option("--settings", help="Also print every setting.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is stale, missing and rejected."""
    from needle_assets.cli.verbs import read_status

    home = Home.from_environment()
    result = read_status(home)
    if settings:
        result["settings"] = as_nested_dict(home.settings())
    typer.echo(json.dumps(result) if as_json else said.stands(result))


# A query may begin with a comment, "-- ...".
@app.command(context_settings={"ignore_unknown_options": True})
def sql(
    query: Annotated[str | None, typer.Argument(help="One query; without it, queries are asked for.")] = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Read the query from a file, or one of `warehouse/queries` by its name.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Of a day (UTC), a run or a training set, by its id.")] = None,
) -> None:
    """Query the published warehouse, read-only."""
    from needle_assets.cli.querying import interactive_sql, run_sql, run_sql_of_past

    home = Home.from_environment()
    if file and query is not None:
        _fail(f"two queries were given, one in {file}; leave one out.", code=2)
    if as_json and as_csv:
        _fail("--json and --csv were both given; leave one out.", code=2)
    text = _text_of(file) if file else query
    style = "json" if as_json else "csv" if as_csv else "table"
    if as_of is not None:
        if text is None:
            _fail("--as-of is for one query; give it, or leave --as-of out.", code=2)
        typer.echo(run_sql_of_past(home, as_of, text, style=style))
    elif text is None:
        interactive_sql(home.published)
    else:
        typer.echo(run_sql(home.published, text, style=style))


@app.command()
def train(
    what: Annotated[str, typer.Argument(help="folds, the classifiers, or quality, the networks that judge images.")] = "folds",
    ablations: Annotated[
        str | None, typer.Option(help="Names such as masked,masked_upsampled_50; those of the settings if left out.")
    ] = None,
    preset: Preset = None,
    workers: Workers = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a refresh to end.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Train the classifiers that are not up to date with the training set, then score with them."""
    from needle_assets.cli.verbs import TrainOptions, run_train, run_train_quality

    if what not in ("folds", "quality"):
        _fail(f"{what!r} cannot be trained; give folds or quality.", code=2)
    if what == "quality" and ablations is not None:
        _fail("--ablations is for `needle train folds`; the quality checkers have none, so leave it out.", code=2)
    options = TrainOptions(ablations=_names(ablations), preset=preset, workers=workers or 0, wait_seconds=wait)
    if what == "quality":
        trained = run_train_quality(Home.from_environment(), options, show=not as_json)
        typer.echo(json.dumps(trained) if as_json else said.trained_quality(trained))
        _fail_if_any(trained)
        return
    result = run_train(Home.from_environment(), options, show=not as_json)
    typer.echo(json.dumps(result) if as_json else said.trained_folds(result))
    _fail_if_any(result)


@app.command()
def restore(
    file: Annotated[Path | None, typer.Argument(help="A kept copy, by name or path; the published file if left out.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Only say what can be restored.")] = False,
    as_json: Json = False,
) -> None:
    """Go back to the published warehouse, or to a kept copy of it."""
    from needle_assets.cli.restoring import copies, run_restore

    home = Home.from_environment()
    if show:
        found = copies(home)
        typer.echo(json.dumps(found) if as_json else said.kept_copies(found, home))
        return
    result = run_restore(home, file)
    typer.echo(json.dumps(result) if as_json else said.restored(result))


@export.command("training-set")
def export_training_set(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made, or put in the place of an earlier export.")],
    licence: Annotated[str | None, typer.Option(help="Under which others may use it, such as CC-BY-4.0.")] = None,
    as_json: Json = False,
) -> None:
    """Write the training set as Parquet with checksums and a data card."""
    from needle_assets.cli.exporting import run_export_training_set

    result = run_export_training_set(Home.from_environment(), folder, licence)
    typer.echo(json.dumps(result) if as_json else said.exported_training_set(result))


@export.command("model")
def export_model(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made, or put in the place of an earlier export.")],
    as_json: Json = False,
) -> None:
    """Write the deployed models as ONNX and safetensors, with their card and an example."""
    from needle_assets.cli.exporting import run_export_model

    result = run_export_model(Home.from_environment(), folder)
    typer.echo(json.dumps(result) if as_json else said.exported_model(result))


@export.command("candidates")
def export_candidates(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Written; printed if left out.")] = None,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, or as a draft for a person to send: astronote, tns (asks for classification).")
    ] = "jsonl",
    days: Annotated[
        float, typer.Option(min=0, help="Drafts: first called a rare class so many days before the newest detection.")
    ] = 7.0,
    ids: Annotated[str | None, typer.Option(help="These candidates, joined by commas, whatever their scores.")] = None,
) -> None:
    """Write candidates as JSON lines, or the draft of an AstroNote or of requests for classification."""
    from needle_assets.cli.exporting import run_export_candidates

    typer.echo(run_export_candidates(Home.from_environment(), form, days, _names(ids), file))


@app.command()
def send(
    destination: Annotated[str, typer.Argument(help="lasair, lasair_lsst, webhook or jsonl.")],
    live: Annotated[bool, typer.Option("--live", help="Send. Without it, only say what would be sent.")] = False,
    as_json: Json = False,
) -> None:
    """Tell others of candidates whose score is new or changed; a dry run unless --live is given."""
    from needle_assets.cli.exporting import run_send

    result = run_send(Home.from_environment(), destination, live=live, show=not as_json)
    typer.echo(json.dumps(result) if as_json else said.told(result))
    if result["failures"] or result["stopped"]:
        why = result["stopped"] or f"{len(result['failures'])} messages were not taken"
        result["problems"].append(f"{destination} is not told of everything ({why.rstrip('.')}); run it again to go on.")
    _tell(result["problems"])


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An exported training set.")],
    as_json: Json = False,
) -> None:
    """Make a new home of an exported training set, which trains and reports."""
    from needle_assets.cli.exporting import run_import

    result = run_import(Home.from_environment(), folder)
    typer.echo(json.dumps(result) if as_json else said.imported(result))


@app.command()
def report(out: Annotated[Path | None, typer.Option(help="Folder; report/ beside the warehouse if left out.")] = None) -> None:
    """Write the paper's tables and figures from this warehouse as one HTML page."""
    from needle_assets.cli.verbs import run_report

    typer.echo(str(run_report(Home.from_environment(), out)))


@app.command()
def explore(port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 3001) -> None:
    """Serve pages to look at objects and candidates and to judge them, on 127.0.0.1 only."""
    from needle_assets.explore.server import serve

    serve(Home.from_environment(), port)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000) -> None:
    """Serve Dagster's pages and run schedule and sensor, on 127.0.0.1 only."""
    from needle_assets.orchestration.serving.ui import serve_ui

    serve_ui(Home.from_environment(), port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command of this process, until it is done or a signal ends it, or that of ``arguments`` as a function."""
    if arguments is None:
        stopping.run(lambda: _run(sys.argv[1:]))
    else:
        _run(arguments)


def _run(arguments: Sequence[str]) -> None:
    """What went wrong is said in one line, and the exit code is 0 only if everything was done."""
    try:
        app(args=arguments, standalone_mode=False, prog_name="needle")
    except typer.Abort:
        _fail("stopped.", code=130)
    except KeyboardInterrupt:
        _fail("stopped; what was stored is kept, run the command again to go on.", code=130)
    except Exception as error:
        _report(error)


def _report(error: Exception) -> NoReturn:
    if _state["debug"]:
        raise error
    if isinstance(error, typer.Exit):
        raise SystemExit(error.exit_code)
    if hasattr(error, "format_message"):
        _fail(error.format_message(), code=getattr(error, "exit_code", 2))
    text = str(error).strip()
    if isinstance(error, NeedleError | OSError):
        _fail(text)
    _fail(f"{type(error).__name__}: {text.splitlines()[0] if text else ''} (run with --debug for the traceback)")


if __name__ == "__main__":
    main()
