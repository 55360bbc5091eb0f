"""What must hold before something is computed, trained or published: claims about stored rows, and that what is read is up to date."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from needle_assets.errors import NeedleError
from needle_assets.settings import Settings
from needle_assets.stages import Stage, made_from
from needle_assets.warehouse import ledger, rows
from needle_assets.warehouse.checks import CHECKS, Check
from needle_assets.warehouse.connection import Connection, writing
from needle_assets.warehouse.schema import Table


class GateError(NeedleError):
    """Something may not be computed, trained or published yet; the message says why and what to do."""


@dataclass(frozen=True)
class Broken:
    """A claim that some stored rows break."""

    check: Check
    n_broken: int

    def __str__(self) -> str:
        """What is wrong, what that stops, and where to look."""
        stops = "; until it holds again nothing below is computed and nothing is published" if self.check.is_blocking else ""
        return (
            f"{self.check.table}: {self.n_broken} rows break the claim “{self.check.claim}” ({self.check.name}){stops}. "
            f"Look at them with: {self.check.query}"
        )


class Claims:
    """
    The claims about stored rows, asked when somebody wants to know and again when rows they speak of were written.

    A broken blocking one stops what is made from the rows it condemns, and publishing, until it holds again: it is asked anew in
    every session, whatever that computes.
    """

    def __init__(self, working: Path, stages: Sequence[Stage], tables: Mapping[str, Table], settings: Settings) -> None:
        self._working, self._stages, self._tables, self._settings = working, stages, tables, settings
        self._found: dict[str, int] = {}

    def written(self, *tables: str) -> None:
        """Forget what was found of these tables, or of all. Refusals go with their product: a claim about them names it."""
        touched = {check.name for check in CHECKS if not tables or check.speaks_of & {*tables}}
        self._found = {name: n_broken for name, n_broken in self._found.items() if name not in touched}

    def found(self, checks: Sequence[Check]) -> dict[str, int]:
        """How many rows break each claim, by its name."""
        unknown = [check for check in checks if check.name not in self._found]
        if unknown:
            with writing(self._working) as connection:
                self._found |= {check.name: self._count(connection, check) for check in unknown}
        return {check.name: self._found[check.name] for check in checks}

    def broken(self) -> list[Broken]:
        """Every blocking claim that is broken."""
        return self._broken([check for check in CHECKS if check.is_blocking])

    def doubtful(self) -> list[Broken]:
        """Every broken claim that stops nothing and is to be told."""
        return self._broken([check for check in CHECKS if not check.is_blocking])

    def _broken(self, checks: Sequence[Check]) -> list[Broken]:
        found = self.found(checks)
        return [Broken(check, found[check.name]) for check in checks if found[check.name]]

    def over(self, table: str) -> list[Broken]:
        """The broken claims that condemn what ``table`` is made from, without those that writing it settles."""
        parents = made_from(table) - {table}
        blocking = (check for check in CHECKS if check.is_blocking and check.settled_by != table)
        return self._broken([check for check in blocking if check.condemned & parents])

    def require(self, table: str) -> None:
        """Raise GateError if ``table`` would be made from condemned rows."""
        broken = self.over(table)
        if broken:
            raise GateError(f"{table} is not computed. {' | '.join(map(str, broken))}")

    def _count(self, connection: Connection, check: Check) -> int:
        n_broken = rows.count(connection, check.query)
        if not n_broken or not check.is_between_products:
            return n_broken
        stale = set(_behind(connection, {check.table}, self._stages, self._tables, self._settings))
        if (check.table, None) in stale:
            return 0
        keys = [object_id for _, object_id in stale if object_id is not None]
        return rows.count(connection, check.query, without=keys) if keys else n_broken


def _behind(
    connection: Connection,
    wanted: set[str] | frozenset[str],
    stages: Sequence[Stage],
    tables: Mapping[str, Table],
    settings: Settings,
    *,
    ignoring: str = "",
) -> Iterator[tuple[str, str | None]]:
    concerned = [stage for stage in stages if stage.table in wanted]
    if concerned:
        ledger.register_graph(connection, concerned, tables, settings)
        yield from ledger.stale(connection, ignoring=ignoring)


def require_up_to_date(
    connection: Connection,
    table: str,
    stages: Sequence[Stage],
    tables: Mapping[str, Table],
    settings: Settings,
    *,
    ignoring: str = "",
) -> dict[str, list[str]]:
    """
    Objects whose last computation failed, by product: all else that a training of ``table`` reads is up to date.

    Changes of the parent ``ignoring`` do not matter to it. Raises GateError, which names every stale product and what to do.
    """
    stale: dict[str, int] = {}
    failed: dict[str, list[str]] = {}
    behind = list(_behind(connection, made_from(table), stages, tables, settings, ignoring=ignoring))
    tried = ledger.failed_as_they_are(connection) if behind else set()
    for product, object_id in behind:
        if object_id is not None and (product, object_id) in tried:
            failed.setdefault(product, []).append(object_id)
        else:
            stale[product] = stale.get(product, 0) + 1
    if stale:
        named = ", ".join(f"{product} ({n})" for product, n in sorted(stale.items()))
        raise GateError(
            f"{table} is not trained: what it is made from is not up to date, {named}; run `needle refresh` first, then train again."
        )
    return failed
