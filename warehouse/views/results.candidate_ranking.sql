create or replace view results.candidate_ranking as
with newest as (
    select c.*, greatest(c.p_slsn, c.p_tde) as p_rare
    from results.candidates c
    left join raw.objects o using (object_id)
    where o.type is null
    qualify row_number() over (partition by c.object_id order by c.as_of_mjd desc) = 1
)
select row_number() over (order by p_rare desc, object_id) as rank, if(p_slsn >= p_tde, 'SLSN-I', 'TDE') as best_rare_class, *
from newest;
comment on view results.candidate_ranking is 'Unclassified objects, the most likely SLSN-I or TDE first, as of their newest epoch. One row per candidate.';
