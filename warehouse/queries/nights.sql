-- What the last nights brought, the newest first; a night without an end was cut short.
select started_at, round(seconds) as seconds, new_objects, new_detections, new_high_scores, against, n_computed, n_left, failures
from lineage.nights
order by started_at desc
limit 14;
