-- Table 5: the untouched set, hosted and hostless; beside it how many have the stamps that NEEDLE-TH and NEEDLE-T need.
select coalesce(label, 'all') as label,
    count(*) filter (is_hosted) as hosted,
    count(*) filter (not is_hosted) as hostless,
    count(*) as total,
    count(*) filter (has_good_pair) as with_stamps
from core.splits
where is_untouched
group by rollup (label)
order by label = 'all', label;
