create or replace view core.objects as
select
    o.object_id,
    o.survey,
    c.label,
    c.label_source,
    c.type,
    c.redshift,
    coalesce(c.a_v_mag, i.a_v_mag, x.a_v_mag) as a_v_mag,
    case
        when c.a_v_mag is not null then 'catalogue'
        when i.a_v_mag is not null then 'catalogue, as ' || i.other_id
        else x.a_v_source
    end as a_v_source,
    c.object_id is null as is_candidate,
    coalesce(c.ra_deg, (degrees(atan2(a.y, a.x)) + 360) % 360) as ra_deg,
    coalesce(c.dec_deg, degrees(atan2(a.z, sqrt(a.x * a.x + a.y * a.y)))) as dec_deg,
    coalesce(a.n_packets, 0) as n_packets,
    coalesce(d.n_detections, 0) as n_detections,
    d.first_mjd,
    d.last_mjd,
    d.brightest_mag
from lineage.objects o
left join raw.objects c using (object_id)
left join (
    select object_id, arg_min(a_v_mag, other_id) as a_v_mag, min(other_id) as other_id from core.identities where a_v_mag is not null
    group by 1
) i using (object_id)
left join core.extinction x using (object_id)
left join (
    -- The mean direction: right ascension is a circle, and a median of 359.9 and 0.1 would point to the other side of the sky.
    select
        object_id,
        avg(cos(radians(dec)) * cos(radians(ra))) as x,
        avg(cos(radians(dec)) * sin(radians(ra))) as y,
        avg(sin(radians(dec))) as z,
        count(*) as n_packets
    from raw.alerts group by 1
) a using (object_id)
left join (
    select object_id, count(*) as n_detections, min(mjd) as first_mjd, max(mjd) as last_mjd, min(mag) as brightest_mag
    from core.detections where is_positive group by 1
) d using (object_id);
comment on view core.objects is 'What is known of every object that has data: class, position and A_V from the catalogue (label_source and a_v_source say what comes from elsewhere), for candidates the mean position of their packets. One row per object.';
