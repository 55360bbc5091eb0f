"""One run's work: the resource that holds the home for its time, and the events that tell Dagster what was computed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
from pydantic import Field

from needle_assets.home import Home
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records import events, pictures
from needle_assets.orchestration.records.instance import report_dead_runs
from needle_assets.pipeline import tell
from needle_assets.pipeline.session import Progress, Session, StageReport, no_progress
from needle_assets.pipeline.tell import Told, Versions
from needle_assets.stages import Stage
from needle_assets.warehouse import questions
from needle_assets.warehouse.connection import kept_open

LOCK_WAIT_SECONDS = 6 * 3600.0
WRITE_ID_TAG = "needle/write_id"
EXTERNAL_VERSION = "INITIAL"
# Of an object, on the server of `needle ui` itself: a link without a name leads there whatever its port.
PAGE = "/objects/"

Context = dg.AssetExecutionContext | dg.OpExecutionContext


class RefreshRequest(dg.ConfigurableResource):
    """What a run of the job ``refresh`` is asked for; everything may be left out."""

    objects: list[str] = Field(
        default=[], description="Compute these objects anew, stale or not, and no others: [ZTF18abcdefg, ...]."
    )
    recompute: list[str] = Field(default=[], description="Products to compute anew for every object, such as core/masks, or all.")
    landing: str = Field(default="", description="Landing folder; the one used before if empty.")
    accept_shrunken: bool = Field(
        default=False, description="Believe a catalogue, photometry or hosts that lost much, or is gone: its rows are dropped."
    )


@contextmanager
def working_session(
    home: Home,
    *,
    what: str,
    wait_seconds: float = LOCK_WAIT_SECONDS,
    workers: int = 0,
    progress: Progress = no_progress,
    accept_loss: bool = False,
) -> Iterator[Session]:
    """Hold the home, work, publish what was written; not while a claim is broken, which the steps of a run have told."""
    with (
        home.prepare().lock(wait_seconds=wait_seconds, what=what),
        kept_open(home.working, what=what, wait_seconds=wait_seconds),
    ):
        session = Session(home, home.settings(), workers=workers, progress=progress, accept_loss=accept_loss).open()
        try:
            yield session
        finally:
            session.close()
            session.publish()


class Held:
    """The home in the hands of a run: ``session`` is opened when it is first asked for, since a night asks services for hours before."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session

    @cached_property
    def session(self) -> Session:
        """The session of the run; the same at every call."""
        return self._open_session()


@contextmanager
def held_when_needed(working: Callable[[], AbstractContextManager[Session]]) -> Iterator[Held]:
    """A home that is held from the first use of its session on; closed and published at the end if it was used."""
    with ExitStack() as stack:
        yield Held(lambda: stack.enter_context(working()))


@dg.resource(description="The home of this installation, held while the run works; ends by publishing what changed.")
@contextmanager
def needle(context: dg.InitResourceContext) -> Iterator[Held]:
    """The home of the run, held at once: made once, as the executor runs all steps in one process."""
    run_id, home = context.run.run_id if context.run else "none", Home.from_environment().prepare()
    with home.running(run_id), working_session(home, what=f"run {run_id[:8]} of Dagster") as session:
        if context.instance is not None:
            report_dead_runs(home, context.instance)
        yield Held(lambda: session)


@dataclass(frozen=True)
class Teller:
    """Tells Dagster, from inside a step, what was written; ``asked`` are the objects that the run was asked for by name."""

    context: Context
    session: Session
    asked: Sequence[str | None] = ()

    def __call__(self, told: Sequence[Told], versions: Versions) -> None:
        """
        One event per object, in batches, with the versions of what was read.

        In a home of very many objects one per write instead, of no object: unless the run was asked for by name.
        """
        if not told:
            return
        stage = told[0].stage
        if self._is_brief and stage.is_per_object:
            newest = {parent: self._newest(parent) for parent in stage.reads}
            events.emit(self.context, [self._event_of_write(written, newest) for written in _by_write(told)])
            return
        inputs = {parent: self._input(stage, parent, [t.object_id for t in told], versions) for parent in stage.reads}
        shown = self._shown(stage, told)
        events.emit(self.context, [self._event(t, inputs, shown.get(t.object_id, {})) for t in told])

    @cached_property
    def _is_brief(self) -> bool:
        return not self.asked and tell.n_objects(self.session) > self.session.settings.dagster.object_events_up_to

    def _newest(self, parent: str) -> tuple[str, int | None]:
        source = self.session.stage(parent)
        newest = self.context.instance.fetch_materializations(asset_key(parent), limit=1).records if source else []
        return f"code {source.code_version}" if source else EXTERNAL_VERSION, newest[0].storage_id if newest else None

    def _event_of_write(self, told: Sequence[Told], inputs: Mapping[str, tuple[str, int | None]]) -> dg.AssetMaterialization:
        stage = told[0].stage
        return events.materialization(
            asset_key(stage.table),
            None,
            data_version=f"code {stage.code_version}",  # the ledger knows which of the objects is stale
            code_version=told[0].code_version,
            inputs={asset_key(parent): seen for parent, seen in inputs.items()},
            metadata={"objects": len(told), "rows": sum(t.n_rows for t in told), "rejected": sum(t.n_rejected for t in told)},
            tags={WRITE_ID_TAG: told[0].write_id},
        )

    def _shown(self, stage: Stage, told: Sequence[Told]) -> dict[str | None, dict[str, dg.MetadataValue | int]]:
        """Tallies and pictures beside the events, by object. Whatever goes wrong with them is a warning: rows are stored by now."""
        shown: dict[str | None, dict[str, dg.MetadataValue | int]] = {t.object_id: {} for t in told}
        try:
            for object_id, counts in tell.tallies(self.session, stage, [t.object_id for t in told]).items():
                shown.setdefault(object_id, {}).update(counts)
        except Exception as error:
            self.context.log.warning(f"{stage.table}: its rows could not be counted ({type(error).__name__}: {error})")
        for object_id, picture in pictures.make(self.session, stage, [t.object_id for t in told if t.n_rows], self.asked).items():
            shown.setdefault(object_id, {})["picture"] = picture
            if isinstance(picture, dg.TextMetadataValue):
                self.context.log.warning(f"{stage.table} of {object_id}: {picture.text}")
        return shown

    def again(self, stage: Stage) -> int:
        """Tell what an earlier run wrote but may not have told; returns how many were missing."""
        told = tell.untold(self.session, stage)
        if not told:
            return 0
        known, brief = self._known_writes(stage, told), self._brief_writes(stage, told)
        missing = [t for t in told if t.write_id not in brief and t.write_id not in known.get(t.object_id, ())]
        self(missing, tell.data_versions(self.session, stage, [t.object_id for t in missing]))
        tell.mark_told(self.session, stage, sorted({t.write_id for t in told}))
        return len(missing)

    def _brief_writes(self, stage: Stage, told: Sequence[Told]) -> set[str]:
        """Writes that one event told of: what is untold was written last, so that it is among the newest."""
        if not (self._is_brief and stage.is_per_object):
            return set()
        newest = self.context.instance.fetch_materializations(asset_key(stage.table), limit=len(_by_write(told))).records
        return {(r.asset_materialization.tags or {}).get(WRITE_ID_TAG, "") for r in newest if r.asset_materialization}

    def _known_writes(self, stage: Stage, told: Sequence[Told]) -> dict[str | None, set[str]]:
        key = asset_key(stage.table)
        if stage.is_per_object:
            tags = events.latest_tags(self.context.instance, key, [t.object_id for t in told if t.object_id], [WRITE_ID_TAG])
            return {object_id: set(found.values()) for object_id, found in tags.items()}
        event = self.context.instance.get_latest_materialization_event(key)
        recorded = event.asset_materialization if event else None
        return {None: {(recorded.tags or {}).get(WRITE_ID_TAG, "")}} if recorded else {}

    def _event(
        self,
        told: Told,
        inputs: Mapping[str, Mapping[str | None, tuple[str, int | None]]],
        shown: Mapping[str, dg.MetadataValue | int],
    ) -> dg.AssetMaterialization:
        total = told.n_rows + told.n_rejected
        return events.materialization(
            asset_key(told.stage.table),
            told.object_id,
            data_version=dagster_version(told.stage, told.data_version),
            code_version=told.code_version,
            inputs={asset_key(p): found.get(told.object_id, (EXTERNAL_VERSION, None)) for p, found in inputs.items()},
            metadata={
                "dagster/partition_row_count" if told.object_id else "dagster/row_count": told.n_rows,
                "rejected": told.n_rejected,
                "rejected_fraction": told.n_rejected / total if total else 0.0,
                **({"page": dg.MetadataValue.url(f"{PAGE}{told.object_id}")} if told.object_id else {}),
                **shown,
            },
            tags={WRITE_ID_TAG: told.write_id},
        )

    def _input(
        self, stage: Stage, parent: str, keys: Sequence[str | None], versions: Versions
    ) -> dict[str | None, tuple[str, int | None]]:
        source = self.session.stage(parent)
        if source is None:
            return dict.fromkeys(keys, (EXTERNAL_VERSION, None))
        instance, key = self.context.instance, asset_key(parent)
        if source.is_per_object and stage.is_per_object:
            ids = events.latest_storage_ids(instance, key, [k for k in keys if k is not None])
            return {k: (versions.get((parent, k), "empty"), ids.get(k or "")) for k in keys}
        newest = instance.fetch_materializations(key, limit=1).records
        version = dagster_version(source, versions.get((parent, None), "empty"))
        return dict.fromkeys(keys, (version, newest[0].storage_id if newest else None))


def _by_write(told: Sequence[Told]) -> list[list[Told]]:
    """What was written together."""
    writes: dict[str, list[Told]] = {}
    for one in told:
        writes.setdefault(one.write_id, []).append(one)
    return list(writes.values())


def dagster_version(stage: Stage, data_version: str) -> str:
    """
    The data version that Dagster sees.

    Dagster knows one version of a product without objects. If one catalogue row changed it, all objects below would look stale,
    though the ledger knows which one is. So a product that the ledger follows row by row shows its code version instead.
    """
    return f"code {stage.code_version}" if not stage.is_per_object and stage.has_objects_below else data_version


def failures_of(reports: Mapping[str, StageReport]) -> list[str]:
    """One sentence on all objects that failed; none if none did."""
    failed = {table: report.failed for table, report in reports.items() if report.failed}
    if not failed:
        return []
    named = ", ".join(f"{count} of {table}" for table, count in failed.items())
    look = f'`needle sql "{questions.FAILED}"`'
    return [f"{named} could not be computed; what was stored of them is kept, and everything else was stored. {look} says why."]


def raise_if_any(sentences: Sequence[str]) -> None:
    """Make a step fail, after its work, with everything that went wrong."""
    if sentences:
        raise dg.Failure(" | ".join(dict.fromkeys(sentences)), allow_retries=False)
