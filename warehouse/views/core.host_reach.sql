create or replace view core.host_reach as
select
    o.object_id,
    o.survey,
    h.is_hosted,
    h.separation_arcsec,
    t.reach_arcsec,
    t.n_stamps,
    h.separation_arcsec <= t.reach_arcsec as is_host_in_stamps,
    case
        when t.n_stamps is null then 'no stamps'
        when h.search_outcome = 'not covered' then 'not covered'
        when h.is_hosted is null or not h.is_hosted then 'no host found'
        when h.separation_arcsec is null then 'host without a place'
        when h.separation_arcsec <= t.reach_arcsec then 'in the stamps'
        else 'beyond the edge'
    end as host_state
from lineage.objects o
left join core.hosts h using (object_id)
left join (
    -- ZTF's stamps reach 30 pixels of 1.01 arcsec whichever packet they are of.
    select object_id, median(reach_arcsec) as reach_arcsec, count(*) as n_stamps from (
        select object_id, reach_arcsec from core.turned_stamps
        union all select object_id, 30 * 1.01 from core.stamps
    ) group by 1
) t using (object_id);
comment on view core.host_reach is 'Whether the centre of the host lies within what the stamps of an object show: those of Rubin reach 3 arcsec, and about half of the hosts are beyond. One row per object.';
