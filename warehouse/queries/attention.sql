-- Figure 12 as a number: share of attention on transient and host, and how far it exceeds the share of pixels they cover.
select ablation, class, metric, value, ci_low, ci_high, n
from results.metrics
where metric in ('attention_on_source', 'attention_above_area') and model_kind = 'TH' and aggregate = 'ensemble'
order by metric, class, ablation;
