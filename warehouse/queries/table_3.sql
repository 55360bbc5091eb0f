-- Table 3: images that train the quality checker, good and bad by band, and which model was chosen.
select model_kind, is_chosen, n_good_g, n_bad_g, n_good_r, n_bad_r, n_good_g + n_good_r as n_good, n_bad_g + n_bad_r as n_bad
from results.quality_models
order by is_chosen desc, model_kind;
