-- Figure 20 (Appendix B): focal loss against class-weighted cross-entropy, for both rare classes.
select "set", ablation, class, threshold, metric, value, ci_low, ci_high, n, reason
from results.metrics
where ablation in ('masked_upsampled', 'masked_upsampled_ce') and model_kind = 'TH' and class in ('SLSN-I', 'TDE')
    and aggregate = 'ensemble' and threshold is not null
    and metric in ('f1', 'purity', 'completeness_of_covered', 'completeness_all', 'coverage')
order by "set" desc, class, metric, threshold, ablation;
