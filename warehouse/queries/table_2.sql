-- Table 2: objects that a model put above 0.5 as SLSN-I or TDE while they were unclassified, and what they turned out to be.
select c.object_id, o.type, o.label, o.redshift, min(c.as_of_mjd) as first_above_half_mjd, arg_min(c.n_det_g, c.as_of_mjd) as n_g,
    arg_min(c.n_det_r, c.as_of_mjd) as n_r, arg_min(c.days_since_first, c.as_of_mjd) as days_since_first,
    arg_min(greatest(c.p_slsn, c.p_tde), c.as_of_mjd) as probability,
    arg_min(if(c.p_slsn >= c.p_tde, 'SLSN-I', 'TDE'), c.as_of_mjd) as said
from results.candidates c join raw.objects o using (object_id)
where greatest(c.p_slsn, c.p_tde) > 0.5 and o.type is not null
group by all
order by first_above_half_mjd;
