-- Unclassified objects: those with the fewest reasons against them first, then the most likely SLSN-I or TDE, with what a human scanner needs.
select rank, object_id, best_rare_class, p_slsn, p_tde, p_sn, p_slsn_std, p_tde_std, p_slsn_trees, p_tde_trees, p_other, reasons, warnings,
    model_kind, n_models, first_above_half_mjd, as_of_mjd, days_since_first, n_det_g, n_det_r, peak_mag_g, peak_mag_r,
    separation_arcsec, host_r_mag, ra_deg, dec_deg, stamp_candid, is_simulated
from results.candidate_ranking
order by rank
limit 50;
