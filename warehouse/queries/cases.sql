-- Every labelled rare object with stamps as a case: what the models say that were not trained on it. Too few of them are no rate.
select s.ztf_id, s.label, s.is_hosted, s.is_untouched, p.ablation, p.model_kind, count(*) as n_models,
    round(avg(p_slsn), 3) as p_slsn, round(avg(p_tde), 3) as p_tde, round(avg(p_sn), 3) as p_sn
from core.splits s join results.predictions p using (ztf_id)
where s.has_good_pair and s.label <> 'SN'
group by all
order by s.label, s.ztf_id, p.model_kind, p.ablation;
