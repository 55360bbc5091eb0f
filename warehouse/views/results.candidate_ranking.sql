create or replace view results.candidate_ranking as
with trained as (
    select distinct m.ablation, t.survey from (select ablation, unnest(trained_ids) as object_id from results.fold_models) m
    join lineage.objects t using (object_id)
), newest as (
    select c.*, l.survey,
        not exists (select 1 from trained t where t.ablation = c.ablation and t.survey = l.survey)
            and exists (select 1 from trained t where t.ablation = c.ablation) as is_transferred,
        f.features_from, greatest(c.p_slsn, c.p_tde) as p_rare, coalesce(v.reasons, []) as reasons,
        coalesce(len(v.reasons) - v.is_past_peak::int, 0) as n_against,
        exists (select 1 from results.metrics m where m.ablation = c.ablation and m.warning is not null) as is_confounded
    from results.candidates c
    left join raw.objects o using (object_id)
    left join core.vetting v using (object_id)
    left join lineage.objects l using (object_id)
    left join core.features f using (object_id)
    where o.type is null and c.object_id not in (select object_id from core.identities where label is not null)
    qualify row_number() over (partition by c.object_id order by c.as_of_mjd desc) = 1
)
select row_number() over (order by n_against, p_rare desc, object_id) as rank,
    if(p_slsn >= p_tde, 'SLSN-I', 'TDE') as best_rare_class, * exclude (is_confounded),
    list_filter([
        if(is_simulated, 'simulated', null),
        if(is_transferred, 'the models were trained on no object of its survey', null),
        if(is_confounded, 'class and source of photometry went together in training', null),
        if(n_det_g + n_det_r < 5, (n_det_g + n_det_r) || ' epochs only', null),
        if((n_det_g = 0 or n_det_r = 0) and features_from is not distinct from 'detections', 'one band only', null),
        if(features_from <> 'detections', 'features are those of a ' || features_from || ' through other bands', null),
        if(len(outside_range) > 0, 'outside the training range: ' || array_to_string(outside_range, ', '), null)
    ], lambda told: told is not null) as warnings
from newest;
comment on view results.candidate_ranking is 'Unclassified objects as of their newest epoch: those with the fewest reasons against them first (n_against counts those of core.vetting but is_past_peak, which says that it is late and not that it is something else), among these the most likely SLSN-I or TDE. One row per candidate.';
