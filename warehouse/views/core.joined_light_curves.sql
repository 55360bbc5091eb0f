create or replace view core.joined_light_curves as
select
    coalesce(i.identity, l.object_id) as identity,
    l.object_id,
    o.survey,
    l.band,
    l.mjd,
    l.mag,
    l.mag_err,
    sqrt(l.mag_err ** 2 + 0.03 ** 2) as mag_err_across_surveys,
    l.n_merged,
    l.is_mw_corrected
from core.light_curves l
join lineage.objects o using (object_id)
left join (select object_id, min(identity) as identity from core.identities where not is_ambiguous group by 1) i using (object_id);
comment on view core.joined_light_curves is 'Cleaned light curves under the name of the object, whichever surveys saw it; bands are those of the survey that measured them, and mag_err_across_surveys holds what their passbands differ by too: the error to use where magnitudes of two surveys are compared. One row per epoch, band and object id.';
