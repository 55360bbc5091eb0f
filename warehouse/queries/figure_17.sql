-- Figure 17: F1, completeness, purity and coverage of SLSN-I against the confidence threshold, by ablation; both sets.
select "set", ablation, model_kind, threshold, metric, value, ci_low, ci_high, n, reason
from results.metrics
where class = 'SLSN-I' and aggregate = 'ensemble' and threshold is not null
    and metric in ('f1', 'purity', 'completeness_of_covered', 'completeness_all', 'coverage')
order by "set" desc, model_kind, ablation, metric, threshold;
