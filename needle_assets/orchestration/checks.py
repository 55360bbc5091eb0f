"""Asset checks: claims about the stored rows, each a query that must find nothing. Blocking ones stop what builds on them."""

from dataclasses import dataclass

import dagster as dg

from needle_assets.orchestration.keys import asset_key
from needle_assets.pipeline.claims import Broken
from needle_assets.pipeline.session import Session
from needle_assets.stages import Stage
from needle_assets.warehouse.checks import CHECKS, Check


@dataclass(frozen=True)
class Evaluated:
    """A claim and whether it holds."""

    check: Check
    n_broken: int

    @property
    def evaluation(self) -> dg.AssetCheckEvaluation:
        """As Dagster records it."""
        return dg.AssetCheckEvaluation(
            asset_key=asset_key(self.check.table),
            check_name=self.check.name,
            passed=self.n_broken == 0,
            blocking=self.check.is_blocking,
            severity=dg.AssetCheckSeverity.ERROR if self.check.is_blocking else dg.AssetCheckSeverity.WARN,
            metadata={"broken_rows": self.n_broken},
            description=self.check.claim,
        )

    @property
    def result(self) -> dg.AssetCheckResult:
        """As an asset returns it."""
        return dg.AssetCheckResult(
            passed=self.n_broken == 0,
            check_name=self.check.name,
            severity=dg.AssetCheckSeverity.ERROR if self.check.is_blocking else dg.AssetCheckSeverity.WARN,
            metadata={"broken_rows": self.n_broken},
            description=self.check.claim,
        )

    @property
    def blocked(self) -> str | None:
        """Why nothing below may be computed; None if it may."""
        return str(Broken(self.check, self.n_broken)) if self.n_broken and self.check.is_blocking else None


def evaluate(session: Session, stage: Stage) -> list[Evaluated]:
    """Every check of a stage's table."""
    checks = checks_of(stage)
    found = session.claims.found(checks)
    return [Evaluated(check, found[check.name]) for check in checks]


def checks_of(stage: Stage) -> list[Check]:
    """The checks of a stage's table."""
    return [check for check in CHECKS if check.table == stage.table]


def check_specs(stage: Stage) -> list[dg.AssetCheckSpec]:
    """What Dagster needs to know of them beforehand."""
    return [
        dg.AssetCheckSpec(check.name, asset=asset_key(check.table), description=check.claim, blocking=check.is_blocking)
        for check in checks_of(stage)
    ]
