create table core.identities (
    object_id varchar not null,
    survey varchar not null,
    other_id varchar not null,
    other_survey varchar not null,
    identity varchar not null,
    separation_arcsec double not null check (separation_arcsec >= 0),
    separation_err_arcsec double not null check (separation_err_arcsec > 0),
    is_ambiguous boolean not null,
    a_v_mag double,
    label varchar check (label in ('SN', 'SLSN-I', 'TDE')),
    primary key (object_id, other_id)
);
comment on table core.identities is 'Ids that two surveys gave to one object, by position; each pair in both directions. Empty in a home of one survey. One row per id and id of another survey.';
comment on column core.identities.object_id is 'Object id.';
comment on column core.identities.survey is 'The survey that gave it.';
comment on column core.identities.other_id is 'What the other survey calls the object.';
comment on column core.identities.other_survey is 'The other survey.';
comment on column core.identities.identity is 'The object: the smallest of the ids that were joined, so that one name stands for all.';
comment on column core.identities.separation_arcsec is 'Distance of the two mean positions on the sky [arcsec].';
comment on column core.identities.separation_err_arcsec is 'Error of the distance from both positions, the astrometry of each survey included [arcsec].';
comment on column core.identities.is_ambiguous is 'Another id of one of the two surveys lies as close by the same rule: they share a fold, but no label is handed on.';
comment on column core.identities.a_v_mag is 'Milky Way A_V that the catalogue gives for the other id where it gives none for object_id and the pair is not ambiguous: the place is the same [mag].';
comment on column core.identities.label is 'Label of the other id where object_id has none of its own and the pair is not ambiguous: it serves both.';
