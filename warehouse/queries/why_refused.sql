-- What was refused, stage by stage, with one example of each reason.
select stage, regexp_replace(reason, '[0-9.]+', 'N', 'g') as reason, count(*) as n, any_value(object_id) as example
from core.rejections
group by all
order by stage, n desc;
