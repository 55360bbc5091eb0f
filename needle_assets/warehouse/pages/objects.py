"""Everything that is known of one object, table by table."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.known import SURVEYS, survey_of_id
from needle_assets.warehouse.pages.published import Published

Rows = list[dict[str, Any]]

# What may be downloaded of an object.
TABLES = (
    *("core.detections", "core.upper_limits", "core.light_curves", "core.gp_fits", "core.features", "core.hosts", "core.epochs"),
    *("core.vetting", "core.turned_stamps", "core.field_images", "core.forced_photometry"),
    *("core.stamp_quality", "core.stamps", "core.rejections", "raw.alerts", "raw.photometry", "results.candidates"),
    "results.predictions",
)
_CATALOGUE_ALONE = (
    "select object_id, ra_deg, dec_deg, label, label_source, type, redshift, a_v_mag, 'catalogue' as a_v_source, "
    "false as is_candidate, 0 as n_packets, 0 as n_detections, "
    "null as first_mjd, null as last_mjd, null as brightest_mag from raw.objects where object_id = $id"
)
_CASES_OF_BAND = " ".join(
    f"when {number} then '{band}'" for survey in SURVEYS.values() for number, band in survey.band_of_number.items()
)
_OF = {
    "catalogue": "select * from raw.objects where object_id = $id",
    "detections": "select mjd, band, mag, mag_err, is_positive, has_stamp, source from core.detections where object_id = $id order by mjd",
    "limits": "select mjd, band, mag_limit from core.upper_limits where object_id = $id order by mjd",
    "forced": (
        "select mjd, band, flux_microjansky, flux_err_microjansky from core.forced_photometry where object_id = $id order by mjd"
    ),
    "cleaned": "select band, mjd, days_since_first, mag, mag_err, n_merged from core.light_curves where object_id = $id order by mjd",
    "epochs": "select * from core.epochs where object_id = $id",
    "gp": "select * from core.gp_fits where object_id = $id",
    "vetting": "select * from core.vetting where object_id = $id",
    "ranked": "select rank, reasons, warnings, p_slsn_trees, p_tde_trees, p_other from results.candidate_ranking where object_id = $id",
    "host": "select * from core.hosts where object_id = $id",
    "features": "select * from core.features where object_id = $id",
    "split": "select * from core.splits where object_id = $id",
    "chosen": "select candid, band, mjd, is_restored, is_blended, touches_border from core.masked_stamps where object_id = $id",
    "history": (
        "select as_of_mjd, p_sn, p_slsn, p_tde, p_slsn_std, p_tde_std, ablation, model_kind, n_models from results.candidates "
        "where object_id = $id order by as_of_mjd"
    ),
    "predictions": (
        'select ablation, model_kind, "set", count(*) as n_models, avg(p_sn) as p_sn, avg(p_slsn) as p_slsn, avg(p_tde) as p_tde, '
        "stddev_pop(p_sn) as p_sn_std, stddev_pop(p_slsn) as p_slsn_std, stddev_pop(p_tde) as p_tde_std, "
        "avg(attention_fraction) as attention_fraction, avg(source_fraction) as source_fraction "
        "from results.predictions where object_id = $id group by all order by all"
    ),
    "refusals": "select stage, candid, reason, measured, written_at from core.rejections where object_id = $id order by stage, candid",
    "packets": (
        f"select candid, jd - {MJD_OFFSET} as mjd, case fid {_CASES_OF_BAND} end as band, magpsf, rb, drb, path, "
        "member, sha256 from raw.alerts where object_id = $id order by jd"
    ),
    "turned_stamps": (
        "select candid, band, mjd, rotation_deg, reach_arcsec, pixel_scale_arcsec, is_good, reasons, noise_ratio "
        "from core.turned_stamps where object_id = $id order by mjd"
    ),
    "field_images": (
        "select band, unit, pixel_scale_arcsec, host_state, n_sources_removed, is_blended, path from core.field_images "
        "where object_id = $id order by band"
    ),
    "reach": "select reach_arcsec, separation_arcsec, host_state from core.host_reach where object_id = $id and n_stamps > 0",
    "stamps": (
        "select s.candid, s.band, s.mjd, s.science is not null as has_science, s.reference is not null as has_reference, "
        "k.n_kept, k.is_blended, k.host_state, q.judged from core.stamps s "
        "left join core.masks k using (object_id, candid) left join (select object_id, candid, list({image: image, is_good: is_good, "
        "reasons: reasons, p_good: p_good, is_repaired: r.is_accepted, reasons_after: r.reasons_after, donor_candid: r.donor_candid, "
        "donor_image: r.donor_image} order by image desc) as judged "
        "from core.stamp_quality left join core.restored_stamps r using (object_id, candid, image) where object_id = $id group by all) q "
        "using (object_id, candid) where object_id = $id order by s.mjd"
    ),
}
_SINGLE = ("catalogue", "epochs", "gp", "vetting", "ranked", "host", "features", "split", "chosen", "reach")


def known(published: Published, object_id: str) -> dict[str, Any]:
    """The object's row of core.objects, or of the catalogue alone; empty for an id nobody knows."""
    found = published.first("select * from core.objects where object_id = $id", {"id": object_id})
    if not found and (found := published.first(_CATALOGUE_ALONE, {"id": object_id})):
        survey = survey_of_id(object_id)
        found |= {"survey": survey and survey.name}
    return found


def told(published: Published, object_id: str) -> dict[str, Any]:
    """What each table says: a dictionary for tables with one row (empty without), a list of them for others."""
    rows = {name: published.rows(query, {"id": object_id}) for name, query in _OF.items()}
    return {name: next(iter(found), {}) if name in _SINGLE else found for name, found in rows.items()}


def spreads(published: Published) -> dict[tuple[str, str], tuple[float, ...]]:
    """How each feature is spread over each class: 5, 25, 50, 75 and 95 % of the labelled objects, by (feature, label)."""
    return published.kept("spreads", _spreads)


def _spreads(published: Published) -> dict[tuple[str, str], tuple[float, ...]]:
    quantiles = ", ".join(f"quantile_cont({name}, [0.05, 0.25, 0.5, 0.75, 0.95]) as {name}" for name in HOSTED_FEATURES)
    rows = published.rows(f"select label, {quantiles} from core.features join core.splits using (object_id) group by label")
    return {(name, row["label"]): tuple(row[name]) for row in rows for name in HOSTED_FEATURES if row[name] is not None}


def rows_of(published: Published, object_id: str, table: str) -> pl.DataFrame:
    """An object's rows of one of TABLES. Raises KeyError for another table."""
    if table not in TABLES:
        raise KeyError(f"{table!r} cannot be downloaded by object; choose among {', '.join(TABLES)}.")
    return published.frame(f"from {table} where object_id = $id", {"id": object_id})


_PLACES = "target_x_px, target_y_px, host_x_px, host_y_px"
_PACKET = "where object_id = $id and candid = $candid"
PICTURES: Mapping[str, str] = {
    **{name: f"select {name} as pixels, {_PLACES} from core.stamps {_PACKET}" for name in ("science", "reference")},
    **{
        f"turned_{name}": f"select {name} as pixels, (n_px - 1) / 2.0 as target_x_px, (n_px - 1) / 2.0 as target_y_px "
        f"from core.turned_stamps {_PACKET}"
        for name in ("science", "reference", "difference")
    },
    **{
        f"{name}_{image}": f"select {column} as pixels from core.restored_stamps {_PACKET} and image = '{image}'"
        for image in ("science", "reference")
        for name, column in (("repaired", "pixels"), ("written", "repaired"))
    },
    "mask": f"select mask as pixels from core.masks {_PACKET}",
    **{
        f"masked_{name}": f"select {name} as pixels, {_PLACES} from core.masked_stamps {_PACKET}"
        for name in ("science", "reference")
    },
}

FIELD_PICTURES: Mapping[str, str] = {
    name: f"select {name} as pixels, {_PLACES} from core.field_images where object_id = $id and band = $band"
    for name in ("image", "masked", "mask")
}


def field_picture(published: Published, object_id: str, band: str, name: str) -> dict[str, Any]:
    """``pixels`` and places of one of FIELD_PICTURES; empty if there is none."""
    return published.first(FIELD_PICTURES[name], {"id": object_id, "band": band})


def picture(published: Published, object_id: str, candid: int, name: str) -> dict[str, Any]:
    """``pixels`` and places of one of PICTURES; empty if there is none."""
    return published.first(PICTURES[name], {"id": object_id, "candid": candid})


def stamp(published: Published, object_id: str, candid: int) -> dict[str, Any]:
    """Both images of a packet and what is known of them; empty if there are none."""
    return published.first(
        "select * from core.stamps where object_id = $id and candid = $candid", {"id": object_id, "candid": candid}
    )


def looked_at(published: Published, object_id: str) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any] | None]:
    """Features and masked stamps of an object, and a model that may judge them: masked, without synthetic samples, first."""
    features = published.frame("from core.features where object_id = $id", {"id": object_id})
    columns = "object_id, science, reference, science_unmasked, reference_unmasked, mask"
    stamps = published.frame(f"select {columns} from core.masked_stamps where object_id = $id", {"id": object_id})
    models = published.rows(
        "select * from results.fold_models where model_kind = (select if(coalesce(is_hosted, false), 'TH', 'T') from core.hosts "
        "where object_id = $id) and not list_contains(trained_ids, $id) "
        "order by ablation <> 'masked', ablation <> 'unmasked', ablation, fold limit 1",
        {"id": object_id},
    )
    return features, stamps, next(iter(models), None)
