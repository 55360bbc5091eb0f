"""The job ``nightly``: ask the services, refresh, score, publish, and sum it up in ``lineage.nights``.

A service that fails stops nothing: the run fails at its end, when everything else is stored, and the next night asks again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from needle_assets.errors import NeedleError
from needle_assets.fetch import SOURCES, Around
from needle_assets.home import Home
from needle_assets.orchestration.automation import nightly_folder
from needle_assets.orchestration.jobs.fetching import tell, telling
from needle_assets.orchestration.jobs.refresh import landing_step, stage_steps
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records.instance import report_dead_runs
from needle_assets.orchestration.running import Held, RefreshRequest, held_when_needed, working_session
from needle_assets.pipeline.night import Night, as_markdown
from needle_assets.stages import REFRESHED, Stage
from needle_assets.warehouse.results.nights import TABLE

SUMMARY = "night_summary"
RESOURCES = {"needle", "night"}


@dg.resource(description="The home of this installation, held from the moment when the services have answered.")
@contextmanager
def held_later(context: dg.InitResourceContext) -> Iterator[Held]:
    """The home of a night."""
    run_id, home = context.run.run_id if context.run else "none", Home.from_environment().prepare()
    with (
        home.running(run_id),
        held_when_needed(lambda: working_session(home, what=f"night {run_id[:8]} of Dagster")) as held,
    ):
        if context.instance is not None:
            report_dead_runs(home, context.instance)
        yield held


def nightly_job(
    stages: Sequence[Stage] = REFRESHED, *, held: Held | None = None, around: Around | None = None
) -> dg.JobDefinition:
    """The job; with ``held`` it works in that home instead of holding its own, with ``around`` it asks by that clock."""
    fetch_steps = [_fetch_step(source) for source in SOURCES]

    @dg.graph(name="nightly")
    def pipeline() -> None:
        asked: Any = []
        for step in fetch_steps:
            asked = [step(start=asked)]
        landed = landing_step(start=[begin_step(start=asked)])
        summary_step(start=stage_steps(stages, after=landed))

    @dg.resource(required_resource_keys={"request"}, description="What services say this night, and what comes of it.")
    def night(context: dg.InitResourceContext) -> Night:
        home, given = Home.from_environment(), context.resources.request.landing
        folder = Path(given) if given else nightly_folder(home)
        return Night(context.run.run_id if context.run else "none", folder, home.settings(), around or Around())

    resource = dg.ResourceDefinition.hardcoded_resource(held) if held else held_later
    return pipeline.to_job(
        name="nightly",
        description="Ask the services of `[schedule] sources` what is new, bring everything up to date, score candidates, publish, "
        "and sum it up in lineage/nights.",
        resource_defs={"needle": resource, "night": night, "request": RefreshRequest()},
        executor_def=dg.in_process_executor,
        hooks={note_what_cut_it_short},
    )


def _fetch_step(source: str) -> Callable[..., object]:
    @dg.op(
        name=f"ask__{source}",
        ins={"start": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        required_resource_keys={"night"},
        description=f"Ask {source}, if the settings name it. Whatever goes wrong is kept for the summary.",
    )
    def step(context: dg.OpExecutionContext) -> None:
        night: Night = context.resources.night
        if source not in night.settings.schedule.sources:
            context.log.info(f"{source} is not among the sources of the settings: {', '.join(night.settings.schedule.sources)}")
            return
        found = night.ask(source, telling(context, night.around))
        if found.failure:
            context.log.warning(found.failure)
        tell(context, found)

    return step


@dg.op(
    name="begin",
    ins={"start": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    required_resource_keys=RESOURCES,
    description="Hold the home, and write down what the services said before anything is computed.",
)
def begin_step(context: dg.OpExecutionContext) -> None:
    """Begin the row of this night."""
    context.resources.night.begin(context.resources.needle.session)


@dg.op(
    name=SUMMARY,
    ins={"start": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    required_resource_keys=RESOURCES,
    description="Sum the night up; then fail, after all work is stored, if a service or code failed.",
)
def summary_step(context: dg.OpExecutionContext) -> None:
    """End the row of this night and show it."""
    row = context.resources.night.end(context.resources.needle.session)
    context.log_event(shown(row))
    if row["failures"]:
        raise dg.Failure(
            "the night is stored, but not everything was done; the next night asks again. " + " | ".join(row["failures"]),
            allow_retries=False,
        )


@dg.failure_hook(required_resource_keys=RESOURCES)
def note_what_cut_it_short(context: dg.HookContext) -> None:
    """Keep in the row of this night which step failed, and show it."""
    if context.op.name == SUMMARY or not context.resources.night.is_begun:
        return
    row = context.resources.night.cut_short(
        context.resources.needle.session, f"{context.op.name}: {_first_sentence(context.op_exception)}"
    )
    if row:
        context.instance.report_runless_asset_event(shown(row))


def shown(row: dict[str, Any]) -> dg.AssetMaterialization:
    """The event that shows a night on its asset's page."""
    numbers = {name: round(value, 1) for name, value in row.items() if type(value) in (int, float)}
    metadata = {"summary": dg.MetadataValue.md(as_markdown(row)), **numbers, "run": row["run_id"]}
    return dg.AssetMaterialization(asset_key(TABLE), metadata=metadata)


def _first_sentence(error: BaseException | None) -> str:
    while error is not None and error.__cause__ is not None and not isinstance(error, NeedleError):
        error = error.__cause__
    text = str(getattr(error, "description", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
