"""Runs the refresh job in this process, for the command line. It is recorded like any run."""

import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlalchemy.exc import DBAPIError
from yaml import YAMLError

from needle_assets.errors import NeedleError
from needle_assets.home import Home
from needle_assets.orchestration.jobs.refresh import refresh_job
from needle_assets.orchestration.records.instance import dagster_folder, open_instance, report_dead_runs
from needle_assets.orchestration.running import Held, RefreshRequest, failures_of
from needle_assets.pipeline.claims import GateError
from needle_assets.pipeline.session import RefreshError, Session
from needle_assets.stages import Stage
from needle_assets.warehouse.connection import WarehouseError

if TYPE_CHECKING:
    from needle_assets.fetch import Around

# What goes wrong is said in one sentence when the run has ended; Dagster's records keep the traceback.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(
    session: Session, stages: Sequence[Stage], *, landing: Path, recompute: Sequence[str] = (), accept_shrunken: bool = False
) -> None:
    """
    Refresh ``stages`` in an open session.

    Raises
    ------
    RefreshError, WarehouseError
        If a step could not be done or a claim is broken, with all that went wrong; what was computed is stored.
    """
    request = RefreshRequest(landing=str(landing), recompute=list(recompute), accept_shrunken=accept_shrunken)
    result = _executed(session.home, refresh_job(stages, session=session, request=request), QUIET)
    told = [*_errors(result), *map(str, session.claims.broken())]
    if told:
        raise RefreshError(" | ".join(dict.fromkeys([*told, *failures_of(session.reports), *session.problems])))
    if not (result.success or session.problems or failures_of(session.reports)):
        ended = [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
        why = " ".join(_sentence(_cause(error)) for error in ended if error) or "`needle ui` shows why"
        raise RefreshError(f"run {result.run_id} failed, though none of its steps did: {why}")


def _errors(result: dg.ExecuteInProcessResult) -> list[str]:
    """What every failed step says, apart from those that failed on purpose when all was stored: what these say is told anyway."""
    failed = [event for event in result.all_node_events if event.is_step_failure]
    causes = [_cause(event.step_failure_data.error) for event in failed]
    return [_sentence(cause) for cause in causes if not _name(cause).endswith(("Failure", GateError.__name__))]


def run_night(
    home: Home,
    held: Held,
    *,
    landing: Path | None = None,
    accept_shrunken: bool = False,
    around: "Around | None" = None,
) -> dict[str, Any]:
    """
    One night in this process: ask the services, then refresh in the home that is held; returns its summary.

    Raises
    ------
    RefreshError, WarehouseError
        If it was cut short; steps before it are stored. A service that failed stands in the summary.
    """
    # Whoever asks no services does without them: importing them takes more than a second.
    from needle_assets.orchestration.jobs.nightly import SUMMARY, nightly_job
    from needle_assets.pipeline.night import summary_of

    job = nightly_job(held=held, around=around)
    config = {**QUIET, "resources": {"request": {"config": {"landing": str(landing or ""), "accept_shrunken": accept_shrunken}}}}
    result = _executed(home, job, config)
    failed = [event for event in result.all_node_events if event.is_step_failure and event.step_key != SUMMARY]
    if failed:
        told = [_sentence(_cause(event.step_failure_data.error)) for event in failed]
        raise RefreshError(" | ".join(dict.fromkeys([*told, *failures_of(held.session.reports), *held.session.problems])))
    return summary_of(held.session, result.run_id)


def _executed(home: Home, job: dg.JobDefinition, config: Mapping[str, Any]) -> dg.ExecuteInProcessResult:
    """The result of a run that Dagster records, whatever came of it."""
    run_id = str(uuid.uuid4())
    with _storage_explained(home), open_instance(home) as instance:
        report_dead_runs(home, instance)
        with home.running(run_id):
            return job.execute_in_process(instance=instance, raise_on_error=False, run_id=run_id, run_config=config)


def record(home: Home, event: dg.AssetMaterialization) -> None:
    """Tell Dagster what was written outside of any run. Raises WarehouseError if it cannot be recorded."""
    with _storage_explained(home), open_instance(home) as instance:
        instance.report_runless_asset_event(event)


def bury_dead_runs(home: Home) -> None:
    """Record the runs of killed processes as failed, where nothing else has to be done with Dagster."""
    with _storage_explained(home), open_instance(home) as instance:
        report_dead_runs(home, instance)


@contextmanager
def _storage_explained(home: Home) -> Iterator[None]:
    """Say it in one sentence when Dagster cannot record what happens."""
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as error:
        reason = str(getattr(error, "orig", error)).strip()
        remedy = f"They only show what happened: mend what is named, or move {dagster_folder(home)} away"
        if re.search("disk is full|No space left", reason):
            remedy = "Free some space"
        elif "disk I/O error" in reason:  # which SQLite says of a full disk too
            remedy = f"Free some space if none is left. {remedy}"
        raise WarehouseError(
            f"{dagster_folder(home)}: Dagster's records could not be written ({reason}); what was computed is stored, nothing is lost. "
            f"{remedy}, then run `needle refresh` again."
        ) from error
    except (dg.DagsterInvalidConfigError, YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WarehouseError(
            f"{dagster_folder(home) / 'dagster.yaml'} cannot be used ({reason}); mend it, or remove it and it is written anew."
        ) from error


def _cause(error: Any) -> Any:
    """What went wrong below the layers around it: the first error that has a sentence of ours, else the last."""
    ours = {*_names(NeedleError)}
    while getattr(error, "cause", None) is not None and _name(error).rpartition(".")[2] not in ours:
        error = error.cause
    return error


def _name(error: Any) -> str:
    return str(getattr(error, "message", error)).strip().partition(": ")[0]


def _sentence(error: Any) -> str:
    """The cause in its own words."""
    text = str(getattr(error, "message", error)).strip()
    if "DagsterExecutionInterruptedError" in text:
        return "stopped; what was stored is kept, run the command again to go on."
    return text.partition(": ")[2] if _name(error).rpartition(".")[2] in {"Failure", *_names(NeedleError)} else text


def _names(kind: type[Exception]) -> Iterator[str]:
    """An error's name and those of all that are made from it, which is all that a record of Dagster's keeps of an error."""
    yield kind.__name__
    for made in kind.__subclasses__():
        yield from _names(made)
