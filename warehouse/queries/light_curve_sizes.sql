-- Detections in each band, by class: median and range.
select coalesce(label, 'none') as label, band, count(*) as objects, median(n)::int as median_n, min(n) as least, max(n) as most
from (select object_id, band, count(*) as n from core.detections where is_positive group by 1, 2) d
left join raw.objects using (object_id)
group by 1, 2
order by 1, 2;
