-- How often each reason against an object is found, by class: of objects without a type the more the better, of classified ones the fewer.
select coalesce(o.label, if(o.type is null, 'candidate', 'another type')) as class,
    v.object_id in (select object_id from raw.alerts) as has_packets, count(*) as n_objects,
    count(*) filter (v.is_on_star) as on_star, count(*) filter (v.is_near_bright_star) as near_bright_star,
    count(*) filter (v.has_history) as with_history, count(*) filter (v.is_fading_often) as fading_often,
    count(*) filter (v.is_bogus) as bogus, count(*) filter (v.is_moving) as moving, count(*) filter (v.is_old) as of_old,
    count(*) filter (v.is_past_peak) as past_peak, count(*) filter (v.has_few_detections) as few_detections,
    count(*) filter (len(v.reasons) = 0) as without_reasons
from core.vetting v left join raw.objects o using (object_id)
group by all
order by 1, 2;
