create table lineage.landing_files (
    path varchar primary key,
    kind varchar not null,
    size_bytes bigint not null,
    mtime_ns bigint not null,
    n_packets integer not null check (n_packets >= 0),
    n_refused integer not null check (n_refused >= 0),
    notices varchar[] not null default [],
    held json,
    scanned_at timestamp not null
);
comment on table lineage.landing_files is 'The manifest that makes an unchanged landing folder cheap to look at. One row per file.';
comment on column lineage.landing_files.path is 'Path below the landing folder.';
comment on column lineage.landing_files.kind is 'catalogue, packet, archive, photometry, hosts or unknown.';
comment on column lineage.landing_files.size_bytes is 'Size when it was read [byte].';
comment on column lineage.landing_files.mtime_ns is 'Modification time when it was read [ns since 1970].';
comment on column lineage.landing_files.n_packets is 'Packets read from it [count].';
comment on column lineage.landing_files.n_refused is 'Packets or rows refused in it [count], see core.rejections.';
comment on column lineage.landing_files.notices is 'Sentences on what of it is not read though nothing is wrong: columns, or the file as a whole.';
comment on column lineage.landing_files.held is 'Of a catalogue, photometry or hosts: the most rows, objects and values of each column that it had since a loss was last accepted [count].';
comment on column lineage.landing_files.scanned_at is 'When it was read [UTC].';
