create table core.masks (
    object_id varchar not null, -- formerly ztf_id
    candid bigint not null,
    mask boolean[3600] not null,
    replaced boolean[3600] not null,
    n_kept integer not null check (n_kept between 0 and 3600),
    host_found boolean not null,
    host_state varchar not null check (host_state in ('none', 'found', 'not_detected', 'outside')),
    is_blended boolean not null,
    touches_border boolean not null,
    n_sources_removed integer not null check (n_sources_removed >= 0),
    is_restored boolean not null,
    primary key (object_id, candid)
);
comment on table core.masks is 'Pixels of the transient and its host in a pair that is good or repaired (paper, 3.3, Eq. 4). One row per usable stamp pair.';
comment on column core.masks.object_id is 'Object id.';
comment on column core.masks.candid is 'Packet id.';
comment on column core.masks.mask is 'True = belongs to the transient or its host, row by row as in core.stamps.';
comment on column core.masks.replaced is 'True = overwritten by noise in core.masked_stamps.';
comment on column core.masks.n_kept is 'Pixels set in mask.';
comment on column core.masks.host_found is 'Whether a source was seen at the position of the host.';
comment on column core.masks.host_state is 'none (no host known), found, not_detected (nothing seen there) or outside (of the stamp).';
comment on column core.masks.is_blended is 'The kept pixels fill much of the stamp or hold a rival peak: another source may be among them.';
comment on column core.masks.touches_border is 'A kept pixel lies on the border: the host may be cut off, so only quarter turns are allowed in augmentation.';
comment on column core.masks.n_sources_removed is 'Other sources in the pair.';
comment on column core.masks.is_restored is 'Whether either image is a repaired one (core.restored_stamps).';
