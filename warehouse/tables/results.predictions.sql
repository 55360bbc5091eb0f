create table results.predictions (
    object_id varchar not null, -- formerly ztf_id
    ablation varchar not null,
    model_kind varchar not null check (model_kind in ('TH', 'T', 'metadata')),
    fold integer not null,
    "set" varchar not null check ("set" in ('validation', 'untouched')),
    model_id varchar not null,
    p_sn double not null check (p_sn between 0 and 1),
    p_slsn double not null check (p_slsn between 0 and 1),
    p_tde double not null check (p_tde between 0 and 1),
    attention_fraction double check (attention_fraction between 0 and 1),
    source_fraction double check (source_fraction between 0 and 1),
    primary key (object_id, ablation, model_kind, fold)
);
comment on table results.predictions is 'Probabilities of labelled objects from models that were not trained on them. One row per object and model.';
comment on column results.predictions.object_id is 'Object id.';
comment on column results.predictions.ablation is 'As in results.fold_models.';
comment on column results.predictions.model_kind is 'TH, T or metadata.';
comment on column results.predictions.fold is 'Number of the model.';
comment on column results.predictions."set" is 'validation: the model was stopped by this object''s part; untouched: nothing was decided by it.';
comment on column results.predictions.model_id is 'The model that said so.';
comment on column results.predictions.p_sn is 'Probability of SN.';
comment on column results.predictions.p_slsn is 'Probability of SLSN-I.';
comment on column results.predictions.p_tde is 'Probability of TDE; 0 from a model that does not know the class.';
comment on column results.predictions.attention_fraction is 'Share of the attention of the last convolution (Grad-CAM) that falls on transient and host (Figure 12); null without stamps, without attention, or in the untouched set.';
comment on column results.predictions.source_fraction is 'Share of the stamp that transient and host cover: what even attention would give.';
