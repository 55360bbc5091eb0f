create table lineage.landing_packets (
    path varchar not null,
    member varchar not null,
    object_id varchar not null, -- formerly ztf_id
    candid bigint not null,
    sha256 varchar not null,
    size_bytes bigint not null,
    primary key (path, member, object_id, candid)
);
comment on table lineage.landing_packets is 'Where every readable alert packet lies. One row per packet of a file.';
comment on column lineage.landing_packets.path is 'File below the landing folder.';
comment on column lineage.landing_packets.member is 'Member of the archive; empty for a single file.';
comment on column lineage.landing_packets.object_id is 'Object id.';
comment on column lineage.landing_packets.candid is 'Packet id.';
comment on column lineage.landing_packets.sha256 is 'SHA-256 of the packet bytes.';
comment on column lineage.landing_packets.size_bytes is 'Size of the packet [byte].';
