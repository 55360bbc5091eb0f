"""Runs the refresh job in this process, for the command line. It is recorded like any run."""

from collections.abc import Sequence
from pathlib import Path

from needle_assets.orchestration.instance import open_instance
from needle_assets.orchestration.jobs import refresh_job
from needle_assets.orchestration.running import RefreshRequest
from needle_assets.refresh import RefreshError, Session
from needle_assets.stages import Stage
from needle_assets.warehouse.connection import WarehouseError


def run_job(session: Session, stages: Sequence[Stage], *, landing: Path, recompute: Sequence[str] = ()) -> None:
    """
    Refresh ``stages`` in an open session.

    Raises
    ------
    RefreshError, WarehouseError
        If a step could not be done; steps before it are stored.
    """
    request = RefreshRequest(landing=str(landing), recompute=list(recompute))
    job = refresh_job(stages, session=session, request=request)
    with open_instance(session.home) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    if result.success or any(report.failed for report in session.reports.values()):
        return
    for event in result.all_node_events:
        if event.is_step_failure:
            raise _explained(event.step_failure_data.error)
    raise RefreshError(f"run {result.run_id} failed before its first step; `needle ui` shows why.")


def _explained(error: object) -> RefreshError:
    """The cause in its own words, without the layers around it."""
    while getattr(error, "cause", None) is not None:
        error = error.cause  # type: ignore[attr-defined]
    text = str(getattr(error, "message", error)).strip()
    name, _, sentence = text.partition(": ")
    known = (WarehouseError, RefreshError)
    return RefreshError(sentence if any(name.endswith(kind.__name__) for kind in known) or name.endswith("Failure") else text)
