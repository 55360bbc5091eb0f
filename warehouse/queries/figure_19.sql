-- Figure 19: true against predicted class at maximum probability (threshold 0), 0.5 and 0.8, of the ensemble.
from (
    select "set", ablation, model_kind, threshold, class as true_class,
        (max(value) filter (metric = 'n_as_SN'))::int as as_sn,
        (max(value) filter (metric = 'n_as_SLSN-I'))::int as as_slsn,
        (max(value) filter (metric = 'n_as_TDE'))::int as as_tde
    from results.metrics
    where aggregate = 'ensemble' and starts_with(metric, 'n_as_')
    group by all
)
order by "set" desc, model_kind, ablation, threshold, list_position(['SN', 'SLSN-I', 'TDE'], true_class);
