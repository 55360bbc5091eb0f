create or replace view core.objects as
select
    o.ztf_id,
    c.label,
    c.type,
    c.redshift,
    c.ztf_id is null as is_candidate,
    coalesce(c.ra_deg, a.ra_deg) as ra_deg,
    coalesce(c.dec_deg, a.dec_deg) as dec_deg,
    coalesce(a.n_packets, 0) as n_packets,
    coalesce(d.n_detections, 0) as n_detections,
    d.first_mjd,
    d.last_mjd,
    d.brightest_mag
from lineage.objects o
left join raw.objects c using (ztf_id)
left join (select ztf_id, median(ra) as ra_deg, median(dec) as dec_deg, count(*) as n_packets from raw.alerts group by 1) a using (ztf_id)
left join (
    select ztf_id, count(*) as n_detections, min(mjd) as first_mjd, max(mjd) as last_mjd, min(mag) as brightest_mag
    from core.detections where is_positive group by 1
) d using (ztf_id);
comment on view core.objects is 'What is known of every object that has data: class and position from the catalogue, for candidates the position from their packets. One row per object.';
