"""What there is in the warehouse, in a few numbers; its nights; and stamps for looking through hundreds."""

from collections.abc import Mapping
from typing import Any

from needle_assets.warehouse.pages import listing
from needle_assets.warehouse.pages.published import Condition, Published

Rows = list[dict[str, Any]]
NEWEST = 8
_MODELS = (
    "select ablation, model_kind, count(*) as n_models, max(trained_at) as trained_at, any_value(training_set_id) as training_set_id, "
    "(select count(*) from results.training_sets t where t.training_set_id = any_value(m.training_set_id)) as n_trained_from "
    "from results.fold_models m group by all order by all"
)
_STAMPS = """
    select s.object_id, s.candid, s.mjd, s.band, q.image, q.is_good, q.reasons, q.p_good, r.is_accepted as is_repaired, c.label, c.type
    from core.stamp_quality q join core.stamps s using (object_id, candid)
    left join core.restored_stamps r on (r.object_id, r.candid, r.image) = (q.object_id, q.candid, q.image)
    left join raw.objects c on c.object_id = q.object_id
"""


def counts(published: Published) -> dict[str, Any]:
    """Objects by survey and class, what was refused, models, the newest candidates, the last night, and how far models are behind."""
    newest = listing.listed(published, listing.Wanted(order="newest"), limit=NEWEST)[1]
    best = listing.listed(published, listing.Wanted(), limit=NEWEST)
    return {
        "totals": published.first(
            "select (select count(*) from lineage.objects) as n_objects, (select count(*) from raw.alerts) as n_packets, "
            "(select count(*) from core.detections) as n_detections, (select count(*) from core.stamps) as n_stamps, "
            "(select count(*) from core.masked_stamps) as n_pairs, (select count(*) from raw.objects) as n_catalogue"
        ),
        "classes": published.rows(
            "select survey, "
            "coalesce(label, if(is_candidate, 'not in the catalogue', 'no label')) as label, coalesce(label, 'none') as asked, "
            "count(*) as n from core.objects group by all order by 1, 4 desc"
        ),
        "refused": published.rows(
            "select stage, count(*) as n, count(distinct object_id) as n_objects from core.rejections group by 1 order by 2 desc"
        ),
        "models": published.rows(_MODELS),
        "behind": published.first(
            "select count(*) filter (t.object_id is null) as added, count(*) filter (s.object_id is null) as removed "
            "from core.splits s full join "
            "(select object_id from results.training_sets where training_set_id = (select training_set_id from results.fold_models "
            "order by trained_at desc limit 1)) t using (object_id)"
        ),
        "newest": newest,
        "best": best[1],
        "n_candidates": best[0],
        "night": next(iter(nights(published)), None),
    }


def nights(published: Published) -> Rows:
    """Summaries, the newest first."""
    return published.rows(
        "select columns(c -> not ends_with(c, '_before')) from lineage.nights order by started_at desc limit 200"
    )


def reasons(published: Published) -> Rows:
    """Why images are refused, with how many are."""
    return published.rows(
        "select reason, count(*) as n from (select unnest(reasons) as reason from core.stamp_quality) group by 1 order by 2 desc"
    )


def labels(published: Published) -> Rows:
    """Classes of objects with stamps, with how many have."""
    return published.rows(
        "select coalesce(c.label, 'none') as label, count(*) as n from (select distinct object_id from core.stamps) "
        "left join raw.objects c using (object_id) group by 1 order by 2 desc"
    )


def gallery(published: Published, wanted: Mapping[str, str], *, offset: int, limit: int) -> tuple[int, Rows]:
    """How many images there are of a label, reason, repair and image, and some of them."""
    asked: list[Condition] = []
    if wanted.get("label"):
        asked.append(("coalesce(label, 'none') = $label", {"label": wanted["label"]}))
    if wanted.get("reason"):
        named = wanted["reason"] not in ("good", "any")
        condition = "list_contains(reasons, $reason)" if named else "is_good" if wanted["reason"] == "good" else "not is_good"
        asked.append((condition, {"reason": wanted["reason"]} if named else {}))
    if wanted.get("repair") in _REPAIRS:
        asked.append((_REPAIRS[wanted["repair"]], {}))
    if wanted.get("image") in ("science", "reference"):
        asked.append(("image = $image", {"image": wanted["image"]}))
    return published.some_rows(_STAMPS, asked, order="object_id, mjd, image desc", limit=limit, offset=offset)


_REPAIRS = {"repaired": "is_repaired", "refused": "not is_repaired", "none": "is_repaired is null"}
