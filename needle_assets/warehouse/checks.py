"""Claims about the stored rows. Each is a query for the rows that break it."""

import re
from dataclasses import dataclass

from needle_assets.surveys.known import SURVEYS, object_id_pattern
from needle_assets.warehouse.sky import separation_deg


@dataclass(frozen=True)
class Check:
    """
    A claim: ``query`` finds the rows that break it; a blocking one stops what would build on them.

    Parameters
    ----------
    is_between_products : bool
        True: rows of other products can break it until this one is computed again, so it is not asked of what is stale.
    condemns : str
        Another product whose rows are not to be used while the claim is broken.
    settled_by : str
        The product whose writing makes the claim hold again, and which it therefore does not stop.
    """

    name: str
    table: str
    claim: str
    query: str
    is_blocking: bool = True
    is_between_products: bool = False
    condemns: str = ""
    settled_by: str = ""

    @property
    def condemned(self) -> set[str]:
        """Products whose rows are not to be used while the claim is broken."""
        return {self.table, self.condemns} - {""}

    @property
    def speaks_of(self) -> set[str]:
        """Every table whose rows can make or break it."""
        return {self.table, *re.findall(r"\b(?:raw|core|results|lineage)\.\w+", self.query)}


# Who had which part in which model; the rule that gave places then; and the other ids that each object was known by then.
_PARTS = (
    "select m.model_id, m.object_id, m.part, r.rule, coalesce(o.other_ids, []) as other_ids, "
    "list_min(list_prepend(m.object_id, coalesce(o.other_ids, []))) as identity from ("
    "select model_id, training_set_id, unnest(trained_ids) as object_id, 'trained' as part from results.fold_models "
    "union all select model_id, training_set_id, unnest(validated_ids), 'validated' from results.fold_models "
    "union all select model_id, training_set_id, unnest(parent_ids), 'parent' from results.fold_models "
    "union all select model_id, training_set_id, unnest(scaled_ids), 'scaled' from results.fold_models) m "
    "left join (select training_set_id, any_value(rule) as rule from results.training_sets group by 1) r using (training_set_id) "
    "left join results.training_sets o using (training_set_id, object_id)"
)

# Of the stamps of 60 x 60 pixels that a home keeps. Asking each stamp for its length would read all pixels.
_CENTRE_PX = (60 - 1) / 2

# Every band of every survey, as (survey, band).
_BANDS = ", ".join(f"('{survey.name}', '{band}')" for survey in SURVEYS.values() for band in survey.bands)

# Positions of one ZTF source scatter by some 0.1 arcsec, and those of the catalogue by as much; farther apart are two sources.
LARGEST_OFFSET_ARCSEC = 5.0

CHECKS = (
    Check(
        "objects_are_named_once",
        "raw.objects",
        "Every catalogue object has one row and an id of a known survey's form.",
        "select object_id from raw.objects group by object_id having count(*) > 1 "
        f"or not regexp_full_match(object_id, '{object_id_pattern()}')",
    ),
    Check(
        "labels_are_known",
        "raw.objects",
        "A label is SN, SLSN-I, TDE or null.",
        "select object_id, label from raw.objects where label not in ('SN', 'SLSN-I', 'TDE')",
    ),
    Check(
        "catalogue_and_name_server_agree",
        "raw.objects",
        "The catalogue and the Transient Name Server's list give no object different classes; where they do, the catalogue's counts.",
        "select object_id, o.type, o.label, t.type as tns_type, t.label as tns_label, t.iau_name, t.matched_by "
        "from raw.objects o join raw.tns t using (object_id) where t.is_type_known and o.label is distinct from t.label",
        is_blocking=False,
        is_between_products=True,
    ),
    Check(
        "every_packet_is_a_row_or_a_rejection",
        "raw.alerts",
        "Every readable packet of the landing folder is a row, or a rejection of that packet says why not.",
        # Asked of objects whose rows were computed from the packets as they are now: the others are stale.
        "select p.* from lineage.landing_packets p join lineage.ledger l on l.asset = 'raw.alerts' and l.object_id = p.object_id "
        "where exists (select 1 from lineage.contents c where c.asset = 'landing.packets' and c.object_id = p.object_id "
        "and list_contains(string_split(l.parents, '|'), 'landing.packets=' || c.content_hash)) "
        "and not exists (select 1 from raw.alerts a where (a.object_id, a.candid, a.path, coalesce(a.member, ''), a.sha256) "
        "= (p.object_id, p.candid, p.path, p.member, p.sha256)) "
        "and not exists (select 1 from core.rejections r where r.stage = 'raw.alerts' and r.object_id = "
        "p.object_id and r.candid = p.candid "
        "and (r.measured->>'path') = p.path and coalesce(r.measured->>'member', '') = p.member "
        "and coalesce(r.measured->>'sha256', p.sha256) = p.sha256)",  # older rejections do not say it
    ),
    Check(
        "packets_lie_where_the_object_is",
        "raw.alerts",
        f"An object's packets lie within {LARGEST_OFFSET_ARCSEC:g} arcsec of its place in the catalogue, or of each other.",
        "with said as (select object_id, null as candid, ra_deg, dec_deg from raw.objects where ra_deg is not null "
        "union all select object_id, candid, ra, dec from raw.alerts where ra is not null and dec is not null), "
        # of many packets the first detection stands for the object where no catalogue does
        "home as (select object_id, arg_min({'ra': ra_deg, 'dec': dec_deg}, coalesce(candid, 0)) as at from said group by 1), "
        f"apart as (select s.*, 3600 * {separation_deg('s.ra_deg', 's.dec_deg', 'h.at.ra', 'h.at.dec')} as offset_arcsec "
        "from said s join home h using (object_id)) "
        f"select * from apart where offset_arcsec > {LARGEST_OFFSET_ARCSEC:g}",
        is_blocking=False,
        is_between_products=True,
    ),
    Check(
        "detections_are_plausible",
        "core.detections",
        "Detections lie in the years of today's surveys and between magnitude 0 and 30.",
        "select * from core.detections where mjd not between 58000 and 80000 or mag not between 0 and 30",
        is_blocking=False,
    ),
    Check(
        "bands_are_the_surveys",
        "core.detections",
        "A detection is in a band of the survey that its object is of.",
        "select d.object_id, d.mjd, d.band from core.detections d join lineage.objects o using (object_id) "
        f"where (o.survey, d.band) not in ({_BANDS})",
    ),
    Check(
        "stamped_detections_are_packets",
        "core.detections",
        "A detection with a stamp has the packet it comes from.",
        "select d.object_id, d.candid from core.detections d where has_stamp and candid is not null "
        "and not exists (select 1 from raw.alerts a where a.object_id = d.object_id and a.candid = d.candid)",
        is_between_products=True,
    ),
    Check(
        "hosted_objects_have_a_host",
        "core.hosts",
        "An object is hosted exactly if it has an association.",
        "select * from core.hosts where is_hosted <> (association <> 'none')",
    ),
    Check(
        "targets_are_central",
        "core.stamps",
        "The transient lies within a pixel of the stamp's centre.",
        "select object_id, candid, target_x_px, target_y_px from core.stamps "
        f"where abs(target_x_px - {_CENTRE_PX}) > 1.01 or abs(target_y_px - {_CENTRE_PX}) > 1.01",
    ),
    Check(
        "places_are_kept",
        "core.splits",
        "An object keeps the place it had when a model was trained, unless another rule asked for a new deal or another of its ids "
        "was found since; `needle train` settles it.",
        "select s.object_id, s.validation_of, t.validation_of as validation_of_then from core.splits s "
        "join results.training_sets t using (object_id, rule) where (s.is_untouched or s.validation_of <> t.validation_of) "
        "and coalesce(s.other_ids, []) = coalesce(t.other_ids, [])",
        settled_by="results.fold_models",
    ),
    Check(
        "one_object_has_one_place",
        "core.splits",
        "All ids of one object (one IAU name, or within 1.5 arcsec) are untouched together, or validated on by the same models.",
        "select any_value(identity) as identity, list(object_id order by object_id) as ids from core.splits "
        "group by coalesce(identity, object_id) having count(distinct (is_untouched, validation_of, label)) > 1",
    ),
    Check(
        "parents_are_in_the_training_part",
        "core.synthetic_samples",
        "Both parents of a synthetic sample may be trained on: not untouched, and not validated on by the sample's fold.",
        "select y.model_kind, y.fold, y.label, y.sample, parent from core.synthetic_samples y, "
        "lateral (select unnest([y.light_curve_parent, y.image_parent])) found(parent) left join core.splits s on s.object_id = parent "
        "where s.object_id is null or s.is_untouched or list_contains(s.validation_of, y.fold)",
        is_between_products=True,
    ),
    Check(
        "untouched_objects_have_no_part_in_a_model",
        "results.predictions",
        "No model was trained, stopped or scaled by an object that its rule keeps untouched, under whatever id known then, nor by a "
        "synthetic sample of one.",
        f"select p.model_id, p.object_id, p.part from ({_PARTS}) p join core.splits s on s.rule = p.rule and s.is_untouched and "
        "(s.object_id = p.object_id and coalesce(s.other_ids, []) = p.other_ids or list_contains(p.other_ids, s.object_id))",
        condemns="results.fold_models",
    ),
    Check(
        "validated_objects_train_nothing",
        "results.predictions",
        "No model was trained on an object that decided when to stop, under whatever id known then, nor on a synthetic sample of one.",
        f"select p.model_id, p.object_id, p.part from ({_PARTS}) p join ({_PARTS}) v using (model_id, identity) "
        "where v.part = 'validated' and p.part in ('trained', 'parent')",
        condemns="results.fold_models",
    ),
    Check(
        "scalers_know_the_training_part_only",
        "results.predictions",
        "Scaler, imputer and feature weights of a model were fitted to objects it was trained on, and to no others.",
        f"select p.model_id, p.object_id from ({_PARTS}) p where p.part = 'scaled' "
        f"except select p.model_id, p.object_id from ({_PARTS}) p where p.part = 'trained'",
        condemns="results.fold_models",
    ),
    Check(
        "models_judge_what_they_were_not_trained_on",
        "results.predictions",
        "No object is scored by a model that was trained on it, under whatever id known today, or on a synthetic sample of it.",
        f"select p.model_id, p.object_id, t.part from (select p.model_id, p.object_id, unnest(list_prepend(p.object_id, "
        "coalesce(s.other_ids, []))) as name from results.predictions p left join core.splits s using (object_id)) p "
        f"join ({_PARTS}) t on t.model_id = p.model_id and t.object_id = p.name where t.part in ('trained', 'parent')",
    ),
    Check(
        "models_know_all_ids_of_their_objects",
        "results.predictions",
        "No model was trained before some of its objects were found to have other ids; `needle train` settles it.",
        f"select distinct p.model_id, p.object_id, s.other_ids from ({_PARTS}) p join core.splits s using (object_id, rule) "
        "where coalesce(s.other_ids, []) <> p.other_ids",
        is_blocking=False,
    ),
    Check(
        "untouched_objects_train_no_model_of_what_is_none_of_the_classes",
        "results.candidates",
        "No untouched object has a part in the model of what is none of the classes; `needle train` settles it.",
        "select m.object_id, m.model_id from (select model_id, unnest(trained_ids) as object_id from results.other_models) m "
        "join core.splits s using (object_id) where s.is_untouched",
        is_blocking=False,
    ),
)
