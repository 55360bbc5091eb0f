-- Every labelled object with stamps as a case, rare ones first: what the models say that were not trained on it, or why none does.
with stamped as (select object_id, count(*) as n_stamps from core.stamps group by 1),
said as (
    select object_id, ablation, model_kind, count(*) as n_models, round(avg(p_slsn), 3) as p_slsn, round(avg(p_tde), 3) as p_tde,
        round(avg(p_sn), 3) as p_sn
    from results.predictions group by all
),
refused as (
    select object_id, string_agg(distinct reason, ' ' order by reason) as reason from core.rejections
    where stage in ('core.splits', 'core.masked_stamps') group by 1
)
select o.label, o.object_id, t.n_stamps, s.has_good_pair, s.is_untouched, p.* exclude (object_id),
    if(p.object_id is null or not s.has_good_pair, r.reason, null) as why_not
from raw.objects o join stamped t using (object_id) left join core.splits s using (object_id) left join said p using (object_id)
left join refused r using (object_id)
where o.label is not null
order by o.label = 'SN', o.label, o.object_id, p.model_kind, p.ablation;
