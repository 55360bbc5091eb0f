-- Table 7: scores of NEEDLE-TH, mean and standard deviation over the models of the folds.
pivot (
    select "set", ablation, metric, aggregate, value, n
    from results.metrics
    where model_kind = 'TH' and aggregate in ('mean', 'std') and class is null and threshold is null
        and metric in ('macro_confidence', 'b_confidence', 'b_entropy', 'b_entropy_l1')
)
on metric || '_' || aggregate
using first(value)
group by "set", ablation
order by "set" desc, ablation;
