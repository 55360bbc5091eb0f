"""The job ``train`` and its schedule: train the classifiers that are not up to date, then score with them. Never part of a refresh."""

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from pydantic import Field

from needle_assets.home import Home
from needle_assets.orchestration.jobs.refresh import RESOURCES, closing_step, stage_steps
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records import pictures
from needle_assets.orchestration.running import RefreshRequest, needle
from needle_assets.pipeline.session import Session
from needle_assets.stages import SCORING

if TYPE_CHECKING:  # torch, which nobody who only looks at the graph needs
    from needle_assets.pipeline.train import TrainingReport
    from needle_assets.pipeline.train_quality import QualityReport

MODELS = asset_key("results.fold_models")
CHECKERS = asset_key("results.quality_models")


class TrainingRequest(dg.Config):
    """What a run of the job ``train`` is asked for; everything may be left out."""

    ablations: list[str] = Field(
        default=[], description="Names such as masked or masked_upsampled_50; those of the settings if left out."
    )


def train_job() -> dg.JobDefinition:
    """The job over training and what is computed from models."""

    @dg.graph(name="train")
    def pipeline() -> None:
        closing_step(start=stage_steps(SCORING, after=training_step()))

    return pipeline.to_job(
        name="train",
        description="Train the classifiers that are not up to date with the training set, then score with them.",
        resource_defs={"needle": needle, "request": RefreshRequest()},
        executor_def=dg.in_process_executor,
    )


@dg.op(
    name="folds",
    out=dg.Out(dg.Nothing),
    required_resource_keys=RESOURCES,
    description="Freeze the training set and train the models whose training rows, samples or settings changed.",
)
def training_step(context: dg.OpExecutionContext, config: TrainingRequest) -> None:
    """Train, and say in the log what was not trained and why."""
    from needle_assets.pipeline.train import train_folds  # torch, which nobody who only looks at the graph needs

    session: Session = context.resources.needle.session
    report = train_folds(session, config.ablations or None)
    context.log.info(f"{report.trained} models trained, {report.up_to_date} up to date, {report.removed} removed")
    for reason in report.not_trained:
        context.log.warning(reason)
    context.log.info(report.other_model)
    context.log_event(models_trained(report))


def models_trained(report: "TrainingReport") -> dg.AssetMaterialization:
    """What the page of the models shows of a training."""
    metadata: dict[str, dg.MetadataValue | str | int | float] = {
        "trained": report.trained,
        "up_to_date": report.up_to_date,
        "training_set_id": report.training_set_id,
        "not_trained": "\n".join(report.not_trained) or "nothing",
        "none_of_the_classes": report.other_model,
        "seconds": round(report.seconds, 1),
    }
    return dg.AssetMaterialization(MODELS, metadata=metadata)


def checkers_trained(report: "QualityReport", models: pl.DataFrame) -> dg.AssetMaterialization:
    """What the page of the quality checkers shows of a training: ``models`` are all rows of the table, without weights."""
    metadata: dict[str, dg.MetadataValue | str | int | float] = {
        "trained": report.trained,
        "up_to_date": report.up_to_date,
        "training_set_id": report.training_set_id,
        "good_images": report.n_images,
        "chosen": report.chosen or report.not_chosen or "none",
        "not_trained": report.not_trained or "nothing",
        "seconds": round(report.seconds, 1),
    }
    if len(models):
        from needle_assets.assets.pictures.images import quality_models  # matplotlib

        metadata["picture"] = pictures.drawn(
            lambda: pictures.markdown(quality_models(models), "Both checkers on damage they never met")
        )
    return dg.AssetMaterialization(CHECKERS, metadata=metadata)


def training_schedule(job: dg.JobDefinition, home: Home) -> dg.ScheduleDefinition:
    """Train at the time the settings say, once somebody switches it on."""
    schedule = home.settings().schedule
    return dg.ScheduleDefinition(
        name="training",
        job=job,
        cron_schedule=schedule.train_cron,
        execution_timezone=schedule.timezone,
        description="Train what differs from the last training, every week. Off until switched on: training takes hours.",
    )
