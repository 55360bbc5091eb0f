create table results.sent (
    message_id varchar primary key,
    destination varchar not null,
    object_id varchar not null,
    number bigint not null check (number >= 1),
    sent_at timestamp not null,
    as_of_mjd double not null,
    model_set varchar not null,
    classification varchar not null,
    p_sn double not null check (p_sn between 0 and 1),
    p_slsn double not null check (p_slsn between 0 and 1),
    p_tde double not null check (p_tde between 0 and 1),
    against varchar[] not null,
    message varchar not null,
    refusal varchar
);
comment on table results.sent is 'What `needle send --live` told others of candidates, and what they refused; whether a score is new or changed is decided against the newest row of its object and destination that was not refused. No refresh removes a row, and publishing takes over those that only the published file holds. One row per message.';
comment on column results.sent.message_id is 'Names the message, from destination, content and the message before: sent again after an interruption, it has the same id.';
comment on column results.sent.destination is 'lasair, lasair_lsst, webhook or jsonl.';
comment on column results.sent.object_id is 'Object id.';
comment on column results.sent.number is 'Counts the messages in the order in which they were noted.';
comment on column results.sent.sent_at is 'When the answer came [UTC].';
comment on column results.sent.as_of_mjd is 'Newest detection that the scores knew [MJD].';
comment on column results.sent.model_set is 'Hash of the ids of the models that scored.';
comment on column results.sent.classification is 'SN, SLSN-I or TDE where its probability was at least `threshold` of `[send]`, else unclear.';
comment on column results.sent.p_sn is 'Probability of SN that was told.';
comment on column results.sent.p_slsn is 'Probability of SLSN-I that was told.';
comment on column results.sent.p_tde is 'Probability of TDE that was told.';
comment on column results.sent.against is 'What spoke against it: names of the columns of core.vetting that were true.';
comment on column results.sent.message is 'What was said, as JSON; for Lasair the fields of its form.';
comment on column results.sent.refusal is 'Why it was not taken, as the service says; null if it was taken. It is tried again after all others.';
