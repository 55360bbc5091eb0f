-- Figures 5 and 6: how the quality checkers find bad images against the threshold on p(good), on held-out objects.
select model_kind, is_chosen, unnest(curve_threshold) as threshold, unnest(curve_completeness) as completeness,
    unnest(curve_purity) as purity, unnest(curve_good_rejected) as good_rejected
from results.quality_models
order by model_kind, threshold;
