"""The UI without a browser: its GraphQL mutations, and the daemon's work done when a test says so. Runs happen in this process."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.schema import create_schema

from needle_assets.home import Home
from needle_assets.orchestration.records.instance import open_instance, prepare_instance

SYNCHRONOUS = (
    "run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}\n"  # runs here
)
LAUNCH_BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
LAUNCH_RUN = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""


class Ui:
    """What a person does in the UI of one home."""

    def __init__(self, context: WorkspaceProcessContext) -> None:
        self.context = context
        self.instance = context.instance
        self.schema = create_schema()

    def graphql(self, query: str, **variables: Any) -> Mapping[str, Any]:
        """Data of one request; errors are raised."""
        request = self.context.create_request_context()
        result = asyncio.run(self.schema.execute_async(query, context_value=request, variable_values=variables))
        if result.errors:
            raise AssertionError(result.errors[0])
        return result.data

    def selector(self, job: str) -> dict[str, Any]:
        """How the UI names a job."""
        query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
        [node] = self.graphql(query)["repositoriesOrError"]["nodes"]
        return {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"], "pipelineName": job}

    def backfill(self, tables: Collection[str], keys: Sequence[str] | None = None) -> str:
        """Materialise these assets, for these objects or for all; returns the backfill's id."""
        which = {"allPartitions": True} if keys is None else {"partitionNames": list(keys)}
        params = {"assetSelection": [{"path": table.split(".")} for table in tables], **which}
        launched = self.graphql(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        self.work()
        return launched["backfillId"]

    def materialize(self, tables: Collection[str], **tags: str) -> str:
        """Materialise these assets in one run with these tags of Dagster; returns the run's id."""
        selector = self.selector("__ASSET_JOB") | {"assetSelection": [{"path": table.split(".")} for table in tables]}
        listed = [{"key": f"dagster/{name}", "value": value} for name, value in tags.items()]
        return self._launch({"selector": selector, "mode": "default", "executionMetadata": {"tags": listed}})

    def launch(self, job: str, config: Mapping[str, Any]) -> str:
        """Launch a job from its launchpad; returns the run's id."""
        return self._launch({"selector": self.selector(job), "mode": "default", "runConfigData": config})

    def _launch(self, params: Mapping[str, Any]) -> str:
        launched = self.graphql(LAUNCH_RUN, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        self.work()
        return launched["run"]["runId"]

    def work(self) -> None:
        """Let the daemon work until nothing is queued and no backfill open."""
        for _ in range(40):
            list(execute_backfill_iteration(self.context, logging.getLogger("backfill")))
            with QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon:
                list(daemon.run_iteration(self.context))
            queued = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
            if not queued and not any(b.status.value == "REQUESTED" for b in self.instance.get_backfills()):
                return
        raise AssertionError("the daemon does not come to an end")

    def runs_of(self, backfill: str) -> list[dg.DagsterRun]:
        """Runs of a backfill in the order in which they were made."""
        return self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))[::-1]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Ui]:
    """The UI of a home, with every launched run executed in this process."""
    prepare_instance(Home(path))
    config = path / ".state" / "dagster" / "dagster.yaml"
    if SYNCHRONOUS not in config.read_text():
        config.write_text(config.read_text() + SYNCHRONOUS)
    target = LoadableTargetOrigin(module_name="needle_assets.definitions", working_directory=str(Path.cwd()))
    with (
        open_instance(Home(path)) as instance,
        WorkspaceProcessContext(instance, InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(target))) as context,
    ):
        yield Ui(context)
