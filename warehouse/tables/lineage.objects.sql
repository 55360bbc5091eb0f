create table lineage.objects (
    ztf_id varchar primary key,
    landed_at timestamp not null
);
comment on table lineage.objects is 'Objects that are partitions: a packet or photometry of them has landed. One row per object.';
comment on column lineage.objects.ztf_id is 'ZTF object id.';
comment on column lineage.objects.landed_at is 'When its first data were seen [UTC].';
