"""Lists of objects: candidates by rank, all objects, and those that a search finds."""

from dataclasses import dataclass
from typing import Any

from needle_assets.surveys.known import simulated_id_pattern
from needle_assets.warehouse.pages.published import Condition, Published, all_of
from needle_assets.warehouse.sky import separation_deg

PAGE_ROWS = 50
RECENT_DAYS = 90.0
P_OF = {"SN": "p_sn", "SLSN-I": "p_slsn", "TDE": "p_tde"}
_SEPARATION_DEG = separation_deg("ra_deg", "dec_deg", "$ra", "$dec")
ORDERS = {
    "rank": "rank nulls last, object_id",
    "newest": "last_mjd desc nulls last, object_id",
    "brightest": "brightest_mag nulls last, object_id",
    "id": "object_id",
}
_LISTED = f"""
    select o.object_id, c.iau_name, o.survey, o.label, o.type, o.redshift, o.is_candidate, o.ra_deg, o.dec_deg, o.n_packets,
        o.n_detections, o.first_mjd, o.last_mjd, o.brightest_mag, o.last_mjd - o.first_mjd as age_days,
        h.is_hosted, h.separation_arcsec, h.r_mag as host_r_mag,
        r.rank, r.p_sn, r.p_slsn, r.p_tde, r.p_slsn_std, r.p_tde_std, r.model_kind, r.n_models, r.as_of_mjd, r.p_rare,
        r.reasons, r.warnings, r.p_other,
        coalesce(m.candid, s.candid) as stamp_candid,
        regexp_full_match(o.object_id, '{simulated_id_pattern()}') as is_simulated
    from core.objects o
    left join raw.objects c using (object_id)
    left join core.hosts h using (object_id)
    left join results.candidate_ranking r using (object_id)
    left join core.masked_stamps m using (object_id)
    left join (select object_id, max(candid) as candid from core.stamps group by 1) s using (object_id)
"""


@dataclass(frozen=True)
class Wanted:
    """
    What is looked for; None and empty texts ask for nothing.

    ``label`` is a class: of candidates the likeliest one, of others the catalogue's. ``min_p`` asks for the probability of that
    class, or of the likelier rare one. ``among`` are objects to choose from, ``without`` objects to leave out.
    """

    only_candidates: bool = True
    label: str = ""
    min_p: float | None = None
    max_age_days: float | None = None
    max_mag: float | None = None
    host: str = ""
    recent: bool = False
    search: str = ""
    cone: tuple[float, float, float] | None = None
    among: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    order: str = "rank"


def listed(published: Published, wanted: Wanted, *, offset: int = 0, limit: int = PAGE_ROWS) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, and the rows from ``offset`` on."""
    order = ORDERS.get(wanted.order, ORDERS["id"])
    return published.some_rows(_LISTED, _conditions(wanted), order=order, limit=limit, offset=offset)


def neighbours(published: Published, wanted: Wanted, object_id: str) -> tuple[str | None, str | None]:
    """The objects before and after one in a list; None at its ends, and where it is not in it."""
    order = ORDERS.get(wanted.order, ORDERS["id"])
    where, values = all_of(_conditions(wanted))
    window = f"window w as (order by {order})"
    beside = (
        f"select object_id, lag(object_id) over w as before, lead(object_id) over w as after from ({_LISTED}) {where} {window}"
    )
    found = published.first(f"select before, after from ({beside}) where object_id = $own_id", {**values, "own_id": object_id})
    if not found:
        found = {"after": next((row["object_id"] for row in listed(published, wanted, limit=1)[1]), None)}
    return found.get("before"), found.get("after")


def _conditions(wanted: Wanted) -> list[Condition]:
    """Conditions on the columns of ``listed``, each with the values that it names."""
    likeliest = "case greatest(p_sn, p_slsn, p_tde) when p_sn then 'SN' when p_slsn then 'SLSN-I' else 'TDE' end"
    asked: list[Condition] = [("rank is not null", {})] if wanted.only_candidates else []
    if wanted.label and wanted.only_candidates and wanted.min_p is None:
        asked.append((f"{likeliest} = $label", {"label": wanted.label}))
    elif wanted.label and not wanted.only_candidates:
        asked.append(("coalesce(label, 'none') = $label", {"label": wanted.label}))
    if wanted.min_p is not None:
        asked.append((f"{P_OF.get(wanted.label, 'p_rare')} >= $min_p", {"min_p": wanted.min_p}))
    if wanted.max_age_days is not None:
        asked.append(("age_days <= $max_age_days", {"max_age_days": wanted.max_age_days}))
    if wanted.max_mag is not None:
        asked.append(("brightest_mag <= $max_mag", {"max_mag": wanted.max_mag}))
    if wanted.host in ("yes", "no"):
        asked.append((f"coalesce(is_hosted, false) = {'true' if wanted.host == 'yes' else 'false'}", {}))
    if wanted.recent:
        asked.append((f"as_of_mjd >= (select max(as_of_mjd) from results.candidates) - {RECENT_DAYS}", {}))
    return [*asked, *_sought(wanted)]


def _sought(wanted: Wanted) -> list[Condition]:
    asked: list[Condition] = []
    if wanted.search:
        found = "contains(lower(object_id), lower($search)) or contains(lower(iau_name), lower($search))"
        asked.append((f"({found})", {"search": wanted.search}))
    if wanted.cone:
        asked.append((f"{_SEPARATION_DEG} <= $radius", dict(zip(("ra", "dec", "radius"), wanted.cone, strict=True))))
    if wanted.among is not None:
        asked.append(("list_contains($among::varchar[], object_id)", {"among": list(wanted.among)}))
    if wanted.without:
        asked.append(("not list_contains($without::varchar[], object_id)", {"without": list(wanted.without)}))
    return asked


def exact(published: Published, text: str) -> str | None:
    """The object with this id or IAU name, whatever the case and with or without SN or AT in front; None if there is none."""
    bare = "regexp_replace(lower(trim({})), '^(sn|at)\\s*', '')"
    query = (
        f"select o.object_id from lineage.objects o left join raw.objects c using (object_id) "
        f"where lower(o.object_id) = lower(trim($text)) "
        f"or {bare.format('c.iau_name')} = {bare.format('$text')} order by all limit 1"
    )
    found = published.first(query, {"text": text}).get("object_id")
    return str(found) if found else None
