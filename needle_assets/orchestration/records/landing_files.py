"""What is refused or left unread in the landing folder, on the pages of the landing assets: as metadata and as a check that warns."""

from collections.abc import Sequence

import dagster as dg

from needle_assets.pipeline import read_landing
from needle_assets.pipeline.session import Session
from needle_assets.warehouse.landed.files import FilesTold

CHECK = "no_file_is_refused"
CLAIM = "Everything in these files is read; what is refused stands below and in core.rejections, each with its reason."
MOST_ROWS = 200


def landing_checks(sources: Sequence[str]) -> list[dg.AssetChecksDefinition]:
    """One check for each kind of landed file; it never blocks."""
    return [_check(source) for source in sources]


def tell_landing(context: dg.OpExecutionContext, session: Session, sources: Sequence[str]) -> None:
    """Record of each kind of landed file what stands of it, inside a step."""
    stands = read_landing.standing_files(session)
    for source in sources:
        told = stands.of(source)
        key = dg.AssetKey(["landing", source])
        context.log_event(dg.AssetObservation(key, metadata=_metadata(told)))
        context.log_event(
            dg.AssetCheckEvaluation(  # type: ignore[arg-type]  # a plain step may record checks too
                asset_key=key,
                check_name=CHECK,
                passed=not told.refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=_metadata(told),
                description=CLAIM,
            )
        )


def _check(source: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["landing", source]), name=CHECK, description=CLAIM, required_resource_keys={"needle"}, blocking=False
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        told = read_landing.standing_files(context.resources.needle.session).of(source)
        return dg.AssetCheckResult(passed=not told.refused, severity=dg.AssetCheckSeverity.WARN, metadata=_metadata(told))

    return check


def _metadata(told: FilesTold) -> dict[str, dg.MetadataValue | int]:
    shown: dict[str, dg.MetadataValue | int] = {
        "files_read": told.read,
        "packets": told.packets,
        "refused": len(told.refused),
        "not_read": len(told.unread),
    }
    rows = {
        "refusals": [one._asdict() for one in told.refused],
        "files_not_read": [one._asdict() for one in told.unread],
        "notices": [one._asdict() for one in told.notices],
    }
    for name, entries in rows.items():
        if entries:
            shown[name] = dg.MetadataValue.table([dg.TableRecord(entry) for entry in entries[:MOST_ROWS]])
    return shown
