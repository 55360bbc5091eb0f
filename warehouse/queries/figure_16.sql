-- Figure 16: redshift and peak r magnitude of real objects and of the synthetic samples of the first training part.
select 'real' as kind, s.label, o.redshift, f.peak_mag_r
from core.splits s join core.features f using (object_id) join raw.objects o using (object_id)
where s.label in (select distinct label from core.synthetic_samples) and not s.is_untouched and o.redshift is not null
union all
select 'synthetic', label, image_redshift, peak_mag_r
from core.synthetic_samples
where fold = 0 and model_kind = 'metadata'
order by 1, 2, 3, 4;
