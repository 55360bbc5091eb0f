"""Services as assets: lineage starts where the data come from, and a click on a service asks it now."""

import time
from collections.abc import Mapping
from dataclasses import replace

import dagster as dg

from needle_assets.fetch import SOURCES, Around, Progress
from needle_assets.home import Home
from needle_assets.orchestration.automation import nightly_folder
from needle_assets.orchestration.keys import OWNER
from needle_assets.pipeline.night import Fetched, ask

CHECK = "complete"
TELL_EVERY_SECONDS = 60.0
# Whose files tell a service what to ask for, and what it writes into the landing folder.
AFTER: Mapping[str, tuple[str, ...]] = dict.fromkeys(SOURCES, ("bts",)) | {
    "bts": (),
    "tns": (),
    "dust": (),
    "kafka": (),
    "fink_lsst": (),
    "lasair_lsst": (),
    "panstarrs": ("archive", "alerce", "lasair"),
    "legacy": ("kafka",),
    "field_images": ("kafka",),
}
WRITES: Mapping[str, tuple[str, ...]] = {
    "bts": ("catalogue",),
    "tns": ("tns",),
    "archive": ("packets",),
    "kafka": ("packets",),
    "alerce": ("packets", "photometry"),
    "lasair": ("packets", "photometry", "hosts"),
    "fink": ("packets", "photometry"),
    "fink_lsst": ("photometry",),
    "lasair_lsst": ("photometry",),
    "panstarrs": ("hosts",),
    "legacy": ("hosts",),
    "field_images": ("field_images",),
    "dust": ("dust",),
}
SAYS: Mapping[str, str] = {
    "bts": "The Bright Transient Survey's catalogue of classified objects.",
    "tns": "The Transient Name Server's list of all public objects with their types; needs a bot's key in NEEDLE_TNS_API_KEY.",
    "archive": "ZTF's nightly public alert archive: packets of known objects.",
    "kafka": "A stream of alerts, of ZTF's or Rubin's: whole packets of the topics that the settings name.",
    "alerce": "ALeRCE: detections and whole packets of known objects.",
    "lasair": "Lasair: light curves, Sherlock's hosts and cutouts; needs a token in NEEDLE_LASAIR_TOKEN.",
    "fink": "Fink: detections and cutouts of known objects.",
    "fink_lsst": "Fink: sources of Rubin's objects that are followed.",
    "lasair_lsst": "Lasair: sources of Rubin's objects that are followed; needs a token in NEEDLE_LASAIR_LSST_TOKEN.",
    "panstarrs": "Pan-STARRS DR2 at MAST: aperture magnitudes of hosts, by position.",
    "legacy": "Legacy Surveys DR10 at NOIRLab: hosts of Rubin's objects, with photometric redshifts.",
    "field_images": "Images of the fields of Rubin's objects from the Legacy Surveys and Pan-STARRS.",
    "dust": "Maps of the Milky Way's reddening, for objects that no catalogue gives A_V for; fetched once.",
}


def fetch_key(source: str) -> dg.AssetKey:
    """``bts`` -> fetch/bts."""
    return dg.AssetKey(["fetch", source])


def fetch_assets() -> list[dg.AssetsDefinition]:
    """One asset per service."""
    return [_asset(source) for source in SOURCES]


def _asset(source: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=fetch_key(source),
        deps=[fetch_key(before) for before in AFTER[source]],
        description=f"{SAYS[source]} The same as `needle fetch {source}`; asks only for what is missing, and writes the landing "
        "folder alone. The night asks those that the setting `[schedule] sources` names.",
        group_name="services",
        kinds={"https"},
        owners=[OWNER],
        check_specs=[dg.AssetCheckSpec(CHECK, asset=fetch_key(source), description="Everything that was due was answered.")],
    )
    def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        home = Home.from_environment()
        found = ask(source, nightly_folder(home), settings=home.settings(), around=telling(context, Around()))
        return dg.MaterializeResult(metadata=_metadata(found), check_results=[_check(found)])

    return asset


def tell(context: dg.OpExecutionContext, found: Fetched) -> None:
    """Record what a service said, from a step of a job."""
    checked = _check(found)
    context.log_event(dg.AssetMaterialization(fetch_key(found.source), metadata=_metadata(found)))
    context.log_event(
        dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # a plain step may record checks too
            asset_key=fetch_key(found.source),
            check_name=CHECK,
            passed=checked.passed,
            severity=checked.severity,
            metadata=checked.metadata,
        )
    )


def telling(context: dg.OpExecutionContext | dg.AssetExecutionContext, around: Around) -> Around:
    """``around`` that also says in the run's log, once a minute, how far it is."""
    told = [time.monotonic()]

    def progress(how_far: Progress) -> None:
        around.progress(how_far)
        if time.monotonic() - told[0] >= TELL_EVERY_SECONDS:
            told[0] = time.monotonic()
            context.log.info(str(how_far))

    return replace(around, progress=progress)


def _metadata(found: Fetched) -> dict[str, dg.MetadataValue | int | float]:
    counts = {name: round(value, 1) for name, value in found.counts.items()}
    return {**counts, "result": dg.MetadataValue.md(found.markdown)}


def _check(found: Fetched) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=fetch_key(found.source),
        check_name=CHECK,
        passed=found.failure is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"result": dg.MetadataValue.md(found.markdown)},
    )
