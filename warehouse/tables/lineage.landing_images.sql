create table lineage.landing_images (
    path varchar primary key,
    object_id varchar not null,
    band varchar not null,
    sha256 varchar not null,
    size_bytes bigint not null
);
comment on table lineage.landing_images is 'Images of fields that were found in the landing folder. One row per file.';
comment on column lineage.landing_images.path is 'File below the landing folder.';
comment on column lineage.landing_images.object_id is 'Object id, as its name says.';
comment on column lineage.landing_images.band is 'Band, as its name says.';
comment on column lineage.landing_images.sha256 is 'Hash of its bytes.';
comment on column lineage.landing_images.size_bytes is 'Size of the file [bytes].';
