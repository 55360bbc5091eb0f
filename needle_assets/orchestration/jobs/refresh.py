"""The job ``refresh``: look at the landing folder, then every stage over what is stale, then say if anything failed.

It is a job of plain steps that record events of the assets, not an asset job. A run of partitioned assets must name one
contiguous range of objects before it starts; this one finds new objects while it runs and takes any list of objects.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from needle_assets.orchestration.checks import evaluate
from needle_assets.orchestration.keys import LANDED, PARTITIONS
from needle_assets.orchestration.records.landing_files import tell_landing
from needle_assets.orchestration.running import Held, RefreshRequest, Teller, failures_of, needle, raise_if_any
from needle_assets.pipeline import read_landing, run_stage
from needle_assets.pipeline.session import Session
from needle_assets.stages import REFRESHED, Stage

RESOURCES = {"needle", "request"}


def refresh_job(
    stages: Sequence[Stage] = REFRESHED, *, session: Session | None = None, request: RefreshRequest | None = None
) -> dg.JobDefinition:
    """The job over ``stages``; with ``session`` it works in that one instead of opening its own."""

    @dg.graph(name="refresh")
    def pipeline() -> None:
        closing_step(start=stage_steps(stages, after=landing_step()))

    resource = dg.ResourceDefinition.hardcoded_resource(Held(lambda: session)) if session else needle
    return pipeline.to_job(
        name="refresh",
        description="Bring everything up to date with the landing folder: computes only what is stale, and never trains.",
        resource_defs={"needle": resource, "request": request or RefreshRequest()},
        executor_def=dg.in_process_executor,
    )


@dg.op(
    name="landing",
    ins={"start": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    required_resource_keys=RESOURCES,
    description="Read what is new in the landing folder.",
)
def landing_step(context: dg.OpExecutionContext) -> None:
    """Read new files into the manifest and make their objects partitions."""
    session: Session = context.resources.needle.session
    n_files = 0 if session.home.imported.exists() else _read(session, context.resources.request)
    known = set(context.instance.get_dynamic_partitions(PARTITIONS))
    new = [object_id for object_id in read_landing.objects(session) if object_id not in known]
    if new:
        context.instance.add_dynamic_partitions(PARTITIONS, new)
    tell_landing(context, session, LANDED)
    context.log.info(f"{n_files} files read, {len(new)} new objects, {len(session.files.refused)} refused in files")


def _read(session: Session, request: RefreshRequest) -> int:
    folder = read_landing.landing_folder(session, Path(request.landing) if request.landing else None)
    return read_landing.scan(session, folder, accept_shrunken=request.accept_shrunken)


def stage_steps(stages: Sequence[Stage], *, after: Any) -> list[Any]:
    """Inside a graph: the steps of ``stages``, each after what it reads and all after one other step; their ends."""
    done: dict[str, Any] = {}
    for stage in stages:
        parents = [done[parent] for parent in stage.reads if parent in done]
        done[stage.table] = stage_step(stage)(start=[after, *parents])
    return list(done.values())


def stage_step(stage: Stage) -> Callable[..., object]:
    """The step that brings one stage up to date. All jobs share it, because Dagster wants a name to be one definition."""
    known, step = _STEPS.get(stage.table, (None, None))
    if step is None or known is not stage:
        step = _stage_step(stage)
        _STEPS[stage.table] = stage, step
    return step


_STEPS: dict[str, tuple[Stage, Callable[..., object]]] = {}


def _stage_step(stage: Stage) -> Callable[..., object]:
    @dg.op(
        name="refresh__" + stage.table.replace(".", "__"),
        ins={"start": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        required_resource_keys=RESOURCES,
        tags={"table": stage.table},
    )
    def step(context: dg.OpExecutionContext) -> None:
        run_step(context, stage)

    return step


def run_step(context: dg.OpExecutionContext, stage: Stage) -> None:
    """Compute what is stale of one stage, or what the run asks for, and check it."""
    session: Session = context.resources.needle.session
    request: RefreshRequest = context.resources.request
    tell = Teller(context, session, tuple(request.objects))
    session.claims.require(stage.table)
    tell.again(stage)
    if request.objects and stage.is_per_object:
        report = run_stage.compute_stage(
            session, stage, tell=tell, run_id=context.run_id, request_id=context.run_id, only=request.objects
        )
    else:
        recompute = bool({"all", stage.table, stage.table.replace(".", "/")} & set(request.recompute))
        report = run_stage.refresh_stage(session, stage, tell=tell, run_id=context.run_id, recompute=recompute)
    context.log.info(f"{report.computed} computed, {report.up_to_date} up to date, {report.rejected} rejected")
    if report.failed:
        context.log.error(" ".join(failures_of({stage.table: report})))
    checked = evaluate(session, stage)
    blocked = [result.blocked for result in checked if result.blocked]
    if report.computed or blocked:
        for result in checked:
            context.log_event(result.evaluation)  # type: ignore[arg-type]  # a plain step may record checks too
    raise_if_any(blocked)


@dg.op(name="summary", ins={"start": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing), required_resource_keys=RESOURCES)
def closing_step(context: dg.OpExecutionContext) -> None:
    """Fail, after all work is stored, if some objects failed, a claim is broken, or something was not done as asked."""
    session: Session = context.resources.needle.session
    raise_if_any([*failures_of(session.reports), *session.problems, *map(str, session.claims.broken())])
