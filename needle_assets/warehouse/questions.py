"""What the package asks of a published file, as SQL: for the report's page, the demonstration and the commands.

Questions that people ask too stand in ``warehouse/queries`` and are found by name with :func:`query_named`.
"""

from collections.abc import Mapping

from needle_assets.surveys.known import simulated_id_pattern
from needle_assets.warehouse.schema import sql_folder

# -- commands ----------------------------------------------------------------------------------------------------------

# What must stand beside the scores.
WARNINGS = (
    "select distinct ablation || ', ' || \"set\" || ': ' || warning from results.metrics where warning is not null "
    "union all select distinct 'every score is of simulated objects' from results.metrics where is_simulated order by 1"
)
# What a warehouse holds that no input brings back, and how many objects.
HELD = (
    "select (select count(*) from lineage.objects), (select count(*) from results.fold_models), "
    "(select count(*) from lineage.nights)"
)
# For people to ask: objects whose code failed.
FAILED = "select stage, object_id, reason from core.rejections where measured->>'traceback' is not null"

# To begin with, where people ask.
EXAMPLE = "select label, count(*) as n, median(brightest_mag) as median_mag\nfrom core.objects\ngroup by label\norder by n desc"

# -- the demonstration -------------------------------------------------------------------------------------------------

LANDED = (
    "select coalesce(label, 'none') as label, count(*) as objects, sum(n_packets)::int as packets, "
    "sum(n_detections)::int as detections, round(median(redshift), 3) as median_z from core.objects group by 1 order by 2 desc"
)
REFUSED = (
    "select stage, count(*) as refusals, any_value(reason) as example from core.rejections group by 1 order by 2 desc limit 5"
)
SCORES = """
select ablation, class, max(round(value, 2)) filter (metric = 'pr_area') as pr_area,
    max(format('{:.2f} to {:.2f}', ci_low, ci_high)) filter (metric = 'pr_area') as "95 %",
    max(round(value, 2)) filter (metric = 'purity' and threshold = 0.5) as "purity at 0.5",
    max(round(value, 2)) filter (metric = 'completeness_all' and threshold = 0.5) as completeness,
    max(n) filter (metric = 'pr_area') as objects
from results.metrics where "set" = 'validation' and aggregate = 'ensemble' and class <> 'SN' and model_kind <> 'T'
group by all order by class, ablation
"""
CANDIDATES = """
select rank, object_id, best_rare_class as best, round(p_slsn, 2) as p_slsn, round(p_tde, 2) as p_tde, model_kind as model,
    round(days_since_first) as days, n_det_g + n_det_r as detections, round(peak_mag_r, 1) as r_mag,
    array_to_string(reasons, '; ') as "what speaks against it"
from results.candidate_ranking order by rank limit 6
"""
CHECKER_KINDS = "select model_kind from results.quality_models order by is_chosen desc, model_kind"
# One hosted object of each class in a crowded field.
CROWDED_STAMPS = (
    "select s.*, p.label from core.masked_stamps s join core.splits p using (object_id) join core.masks m using (object_id, candid) "
    "where p.is_hosted and m.n_kept between 60 and 400 "
    "qualify row_number() over (partition by p.label order by m.n_sources_removed desc, object_id) = 1 order by p.label"
)

# -- the report's page -------------------------------------------------------------------------------------------------

# What the picture of the features reads (Figure 1).
FEATURE_OVERVIEW: Mapping[str, str] = {
    "results.feature_importance": "from results.feature_importance",
    "core.splits": "select object_id, is_untouched from core.splits",
    "core.features": "from core.features order by object_id",
}
# An accepted repair of each of those objects that have most of them (Figure 7), and the stamps it is of and comes from.
_REPAIRED = "(select object_id from core.restored_stamps where is_accepted group by 1 order by count(*) desc, object_id limit 6)"
REPAIRS: Mapping[str, str] = {
    "core.restored_stamps": (
        f"from core.restored_stamps where is_accepted and object_id in {_REPAIRED} "
        "qualify row_number() over (partition by object_id order by candid, image) = 1"
    ),
    "core.stamps": f"from core.stamps where object_id in {_REPAIRED}",
}
# Of SLSN-I, TDE, SN Ia and SN II the hosted object in the most crowded field (Figures 8 to 11).
_CROWDED_OF_TYPES = (
    "select p.object_id, if(p.label = 'SN', o.type, p.label) as shown_type from core.splits p "
    "join core.masked_stamps s using (object_id) join core.masks m using (object_id, candid) join raw.objects o using (object_id) "
    "where p.is_hosted and m.n_kept between 60 and 400 and (p.label <> 'SN' or o.type in ('SN Ia', 'SN II')) "
    "qualify row_number() over (partition by shown_type order by m.n_sources_removed desc, p.object_id) = 1"
)
MASKED_OF_TYPES = (
    f"select s.* replace (shown_type || ' ' || s.object_id as object_id) from ({_CROWDED_OF_TYPES}) c "
    "join core.masked_stamps s using (object_id) order by list_position(['SLSN-I', 'TDE', 'SN Ia', 'SN II'], shown_type)"
)
# Of both rare classes those with most points whose fit may be resampled and whose redshift is known (Figures 13 and 14).
RESAMPLED = (
    "select p.object_id, p.label from core.gp_fits g join core.splits p using (object_id) join raw.objects o using (object_id) "
    "where p.label <> 'SN' and g.is_usable and o.redshift > 0 "
    "qualify row_number() over (partition by p.label order by g.n_points desc, p.object_id) <= 2 order by p.label, p.object_id"
)
RESAMPLED_ROWS: Mapping[str, str] = {
    name: f"from {name} where object_id in (select object_id from ({RESAMPLED})) order by all"
    for name in ("core.light_curves", "core.gp_fits", "raw.objects")
}

WARNINGS_BY_SET = 'select distinct ablation, "set", warning from results.metrics where warning is not null order by all'
NOT_TRAINED = "select distinct reason from core.rejections where stage = 'results.fold_models' order by 1"
PRECISION_RECALL = (
    "select ablation, class, threshold, max(value) filter (metric = 'curve_purity') as purity, "
    "max(value) filter (metric = 'curve_completeness') as completeness from results.metrics "
    "where starts_with(metric, 'curve_') and \"set\" = 'validation' and class <> 'SN' and model_kind <> 'T' group by all order by all"
)
PRECISION_RECALL_AREAS = (
    'select "set", ablation, model_kind, class, value, ci_low, ci_high, n, reason from results.metrics '
    "where metric = 'pr_area' and aggregate = 'ensemble' and class <> 'SN' order by all"
)
RELIABILITY = (
    "select ablation, threshold, max(value) filter (metric = 'mean_confidence') as confidence, "
    "max(value) filter (metric = 'accuracy_of_confident') as accuracy from results.metrics where \"set\" = 'validation' "
    "and model_kind <> 'T' and metric in ('mean_confidence', 'accuracy_of_confident') group by all order by all"
)
CALIBRATION = (
    'select "set", ablation, model_kind, metric, value, ci_low, ci_high, n from results.metrics '
    "where metric in ('temperature', 'calibration_error', 'calibration_error_with_temperature') order by all"
)
REALISM = (
    "select model_kind, label, compared, auc, ci_low, ci_high, n_real, n_synthetic, is_failed, array_to_string(telling, ', ') as telling "
    "from results.realism order by 1, 2, 3"
)
_MOST_POINTS = (
    "with chosen as (select object_id from core.gp_fits join core.splits using (object_id) "
    "qualify row_number() over (partition by label order by n_points desc, object_id) <= 4) "
)
# Of each class the objects with most points, as the picture of the classes reads them.
MOST_POINTS: Mapping[str, str] = {
    name: f"{_MOST_POINTS} from {name} where object_id in (from chosen) order by all"
    for name in ("core.splits", "core.gp_fits", "core.light_curves")
}
# Of each class the validated object whose class is given the highest probability by the first models, and what they look at.
EXAMPLES = (
    "select object_id, label from results.predictions join core.splits using (object_id) "
    "where model_kind = 'TH' and \"set\" = 'validation' and predictions.fold = 0 group by object_id, label "
    "qualify row_number() over (partition by label order by "
    "avg(case label when 'SN' then p_sn when 'TDE' then p_tde else p_slsn end) desc, object_id) = 1 order by label"
)
STAMPS_OF_EXAMPLES = (
    "select object_id, science, reference, science_unmasked, reference_unmasked, mask from core.masked_stamps "
    f"where object_id in (select object_id from ({EXAMPLES}))"
)
FEATURES_OF_EXAMPLES = f"from core.features where object_id in (select object_id from ({EXAMPLES}))"
FIRST_MODELS = (
    "from results.fold_models where model_kind = 'TH' and fold = 0 order by ablation <> 'unmasked', len(ablation), ablation"
)
TRAININGS = (
    "select ablation, model_kind, fold, history_training_loss, history_validation_loss, best_epoch, feature_weights "
    "from results.fold_models order by ablation, model_kind, fold"
)


def objects_held() -> str:
    """How many objects have data, and how many of them are simulated."""
    return f"select count(*), count(*) filter (regexp_full_match(object_id, '{simulated_id_pattern()}')) from lineage.objects"


def query_named(name: str) -> str:
    """A question of ``warehouse/queries``."""
    return (sql_folder() / "queries" / f"{name}.sql").read_text(encoding="utf-8")
