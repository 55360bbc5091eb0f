create table raw.verdicts (
    verdict_id varchar primary key,
    object_id varchar not null,
    candid bigint,
    image varchar check (image in ('science', 'reference')),
    verdict varchar not null,
    comment varchar,
    judged_by varchar,
    judged_at timestamp
);
comment on table raw.verdicts is 'What people said of objects and of stamps, as it stands in verdicts.csv and stamp_verdicts.csv; it trains nothing unless checker.trains_on_verdicts says that stamps do. One row per verdict.';
comment on column raw.verdicts.verdict_id is 'What makes it one verdict: sent twice, it counts once; file and line where the file does not say.';
comment on column raw.verdicts.object_id is 'Object id in its survey.';
comment on column raw.verdicts.candid is 'Packet whose stamp was judged; null for a verdict on the object.';
comment on column raw.verdicts.image is 'science or reference; null for a verdict on the object.';
comment on column raw.verdicts.verdict is 'Of an object SN, SLSN-I, TDE, other, junk, follow_up or comment; of a stamp good or bad. Of one person the newest counts.';
comment on column raw.verdicts.comment is 'What else was said.';
comment on column raw.verdicts.judged_by is 'Who said it.';
comment on column raw.verdicts.judged_at is 'When it was said [UTC].';
