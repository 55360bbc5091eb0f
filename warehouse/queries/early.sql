-- How early models without stamps find rare classes: against days after discovery and against clean epochs, with 95 % intervals.
select class, ablation, grouped_by, part, metric, threshold, value, ci_low, ci_high, n, reason
from results.early_metrics
order by class, ablation, grouped_by, position, metric;
