"""Every stage as an asset: what people see, and what a click on it does."""

import inspect
import warnings

import dagster as dg

from needle_assets.orchestration.checks import check_specs, evaluate
from needle_assets.orchestration.jobs.fetching import WRITES, fetch_key
from needle_assets.orchestration.keys import OBJECTS, OWNER, asset_key
from needle_assets.orchestration.records import events
from needle_assets.orchestration.running import Teller, failures_of, raise_if_any
from needle_assets.pipeline import run_stage
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES, TRAINED_FROM, Stage
from needle_assets.warehouse.dictionary import column_comments, table_comments

BACKFILL_TAG = "dagster/backfill"
LANDED = {
    "packets": "Alert packets below alerts/, single files or nightly archives.",
    "catalogue": "bts.csv, the export of the Bright Transient Survey.",
    "photometry": "photometry.parquet or .csv, light curves from elsewhere (optional).",
    "hosts": "hosts.csv, host galaxies from elsewhere (optional).",
    "field_images": "Images of fields from other surveys in field_images/ (optional).",
    "verdicts": "verdicts.csv, what people said of objects on the pages of `needle explore` (optional).",
    "stamp_verdicts": "stamp_verdicts.csv, what people said of stamps (optional).",
    "tns": "tns_public_objects.csv, the Transient Name Server's list of all public objects (optional).",
    "dust": "dust/, the two maps of the Milky Way's reddening of Schlegel, Finkbeiner & Davis (optional).",
}

# What a click on one asset cannot make: the job or command that writes it, and what that reads.
WRITTEN_BY_JOBS = {
    "results.quality_models": ("`needle train quality`", ("core.stamps",)),
    "results.fold_models": ("the job train and `needle train`", TRAINED_FROM["results.fold_models"]),
    "results.other_models": ("the job train and `needle train`", TRAINED_FROM["results.other_models"]),
    "lineage.nights": ("the job nightly", ("results.candidates",)),
}


def landing_specs() -> list[dg.AssetSpec]:
    """The files that everything starts from. Services and people write them; nothing else of the platform does."""
    return [
        dg.AssetSpec(
            ["landing", name],
            deps=[fetch_key(source) for source, written in WRITES.items() if name in written],
            description=text,
            group_name="landing",
            kinds={"file"},
            owners=[OWNER],
        )
        for name, text in LANDED.items()
    ]


def job_specs() -> list[dg.AssetSpec]:
    """What jobs write beside the stages: assets without a button, whose pages show the last of it."""
    columns, comments = column_comments(), table_comments()
    return [
        dg.AssetSpec(
            asset_key(table),
            deps=[asset_key(parent) for parent in parents],
            description=f"{comments[table]} Written by {writer}.",
            group_name="results",
            kinds={"duckdb"},
            owners=[OWNER],
            metadata=_shown(table, columns[table]),
        )
        for table, (writer, parents) in WRITTEN_BY_JOBS.items()
    ]


def stage_assets() -> list[dg.AssetsDefinition]:
    """One asset per stage."""
    columns, comments = column_comments(), table_comments()
    # The backfill policy is what makes a click on all objects one run; that Dagster calls it beta is no news at every start.
    warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")
    return [_asset(stage, columns[stage.table], comments[stage.table]) for stage in STAGES]


def _asset(stage: Stage, columns: list[tuple[str, str, str]], comment: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(stage.table),
        deps=[asset_key(parent) for parent in stage.reads],
        description=f"{_docstring(stage)}\n\n{comment}",
        partitions_def=OBJECTS if stage.is_per_object else None,
        backfill_policy=dg.BackfillPolicy.single_run() if stage.is_per_object else None,
        code_version=stage.code_version,
        group_name=stage.group,
        kinds=set(stage.kinds),
        owners=[OWNER],
        check_specs=check_specs(stage),
        metadata=_shown(stage.table, columns),
        required_resource_keys={"needle"},
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _materialize(context, stage)

    return asset


def _materialize(context: dg.AssetExecutionContext, stage: Stage) -> dg.MaterializeResult:
    """Do what the person meant: compute the chosen objects, once per click, however many runs Dagster makes of it."""
    session: Session = context.resources.needle.session
    backfill = context.run.tags.get(BACKFILL_TAG)
    chosen = _chosen(context, stage, backfill)
    tell = Teller(context, session, tuple(chosen))
    session.claims.require(stage.table)
    tell.again(stage)
    report = run_stage.compute_stage(
        session,
        stage,
        tell=tell,
        run_id=context.run.run_id,
        request_id=backfill or context.run.run_id,
        only=chosen,
    )
    context.log.info(f"{report.computed} computed, {report.up_to_date} already done for this request, {report.rejected} rejected")
    checked = evaluate(session, stage)
    wrong = [*failures_of({stage.table: report}), *map(str, session.claims.broken())]
    if wrong:
        for evaluated in checked:
            context.log_event(evaluated.evaluation)
        raise_if_any(wrong)
    results = [evaluated.result for evaluated in checked]
    return dg.MaterializeResult(metadata=dict(events.SUPPRESS_OWN_EVENT), check_results=results)


def _chosen(context: dg.AssetExecutionContext, stage: Stage, backfill: str | None) -> list[str] | list[None]:
    if not stage.is_per_object:
        return [None]
    asked = events.backfill_target_keys(context.instance, backfill, asset_key(stage.table)) if backfill else None
    return sorted(asked) if asked else list(context.partition_keys)


def _docstring(stage: Stage) -> str:
    return inspect.getdoc(stage.function()) or ""


def _shown(table: str, columns: list[tuple[str, str, str]]) -> dict[str, dg.TableSchema | str]:
    schema = dg.TableSchema([dg.TableColumn(name, kind, description=comment) for name, kind, comment in columns])
    return {"dagster/column_schema": schema, "dagster/table_name": f"needle.{table}"}
