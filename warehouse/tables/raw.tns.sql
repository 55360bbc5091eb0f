create table raw.tns (
    object_id varchar primary key,
    iau_name varchar not null,
    type varchar,
    label varchar check (label in ('SN', 'SLSN-I', 'TDE')),
    is_type_known boolean not null,
    redshift double,
    ra_deg double check (ra_deg between 0 and 360),
    dec_deg double check (dec_deg between -90 and 90),
    discovery_mjd double,
    classified_in varchar,
    matched_by varchar not null check (matched_by in ('internal name', 'IAU name', 'position')),
    separation_arcsec double
);
comment on table raw.tns is 'What the Transient Name Server''s list says of the objects that are known here, whatever their survey. Empty where the list has not landed. One row per object that it lists.';
comment on column raw.tns.object_id is 'Object id.';
comment on column raw.tns.iau_name is 'Name in the list, with its prefix, for example SN2022yei or AT2019azh.';
comment on column raw.tns.type is 'Type in the list; null for what nobody has classified.';
comment on column raw.tns.label is 'Class for NEEDLE by the table of types in docs/refreshing.md: SN, SLSN-I, TDE; null for any other type, and without one.';
comment on column raw.tns.is_type_known is 'Whether the type is certain and in the table of types, as one of the classes or as something else: only such a type counts in raw.objects.';
comment on column raw.tns.redshift is 'Redshift in the list.';
comment on column raw.tns.ra_deg is 'Right ascension in the list [deg, J2000].';
comment on column raw.tns.dec_deg is 'Declination in the list [deg, J2000].';
comment on column raw.tns.discovery_mjd is 'Discovery as it was reported [MJD].';
comment on column raw.tns.classified_in is 'Bibcodes of the classification reports, joined by commas: whose type it is.';
comment on column raw.tns.matched_by is 'Why it is this object: internal name (its id stands among the names that surveys gave it), IAU name (that of bts.csv), position.';
comment on column raw.tns.separation_arcsec is 'Distance of the object''s position from that in the list [arcsec]; null if one is not known.';
