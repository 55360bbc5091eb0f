-- Table 7: scores of NEEDLE-TH, mean and standard deviation over the models of the folds; no deviation where one model has a value.
select "set", ablation,
    max(value) filter (metric = 'b_confidence' and aggregate = 'mean') as b_confidence_mean,
    max(value) filter (metric = 'b_confidence' and aggregate = 'std') as b_confidence_std,
    max(value) filter (metric = 'b_entropy' and aggregate = 'mean') as b_entropy_mean,
    max(value) filter (metric = 'b_entropy' and aggregate = 'std') as b_entropy_std,
    max(value) filter (metric = 'b_entropy_l1' and aggregate = 'mean') as b_entropy_l1_mean,
    max(value) filter (metric = 'b_entropy_l1' and aggregate = 'std') as b_entropy_l1_std,
    max(value) filter (metric = 'macro_confidence' and aggregate = 'mean') as macro_confidence_mean,
    max(value) filter (metric = 'macro_confidence' and aggregate = 'std') as macro_confidence_std
from results.metrics
where model_kind = 'TH' and aggregate in ('mean', 'std') and class is null and threshold is null
    and metric in ('macro_confidence', 'b_confidence', 'b_entropy', 'b_entropy_l1')
group by "set", ablation
order by "set" desc, ablation;
