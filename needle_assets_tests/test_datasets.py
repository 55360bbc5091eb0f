"""An exported training set as torch reads it: parts apart, pixels and features as NEEDLE's own training sees them."""

import numpy as np
import polars as pl
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from needle_assets.assets.models import stamp_pair, stamps_by_object
from needle_assets.datasets import DatasetError, NeedleDataset
from needle_assets.labels import LABELS
from needle_assets.warehouse import exploring


@pytest.fixture
def objects(exported) -> pl.DataFrame:
    return pl.read_parquet(exported / "objects" / "*.parquet")


def test_an_object_is_in_one_part_and_none_is_forgotten(exported, objects):
    fold = int(objects["validation_of"].explode().drop_nulls()[0])
    parts = ["training", "validation", *(["untouched"] if objects["is_untouched"].any() else [])]
    found = [name for part in parts for name in NeedleDataset(exported, fold=fold, part=part, model_kind="metadata").ids]
    assert sorted(found) == sorted(objects["object_id"])


def test_pixels_are_those_that_models_are_trained_on(exported, filled):
    dataset = NeedleDataset(exported, fold=99)
    stored = stamps_by_object(exploring.frame(filled[1].published, "from core.masked_stamps"))
    for is_masked in (True, False):
        dataset = NeedleDataset(exported, fold=99, is_masked=is_masked)
        wanted = np.stack([stamp_pair(stored[name], is_masked=is_masked) for name in dataset.ids])
        np.testing.assert_array_equal(dataset[:]["images"].permute(0, 2, 3, 1), wanted)


def test_features_are_those_of_the_object_and_nan_where_missing(exported, objects):
    dataset = NeedleDataset(exported, fold=99, model_kind="metadata", feature_names=("peak_mag_g", "separation_arcsec"))
    features = pl.read_parquet(exported / "features" / "*.parquet").sort("object_id")
    wanted = features.select(pl.col("peak_mag_g", "separation_arcsec").cast(pl.Float32).fill_null(float("nan"))).to_numpy()
    np.testing.assert_array_equal(dataset.features, wanted[features["object_id"].is_in(dataset.ids).to_numpy()])
    label_of = dict(objects.select("object_id", "label").rows())
    assert [LABELS[k] for k in dataset.labels] == [label_of[name] for name in dataset.ids]
    assert "images" not in dataset[0]


def test_a_loader_gives_whole_batches(exported):
    dataset = NeedleDataset(exported, fold=99)
    batches = list(DataLoader(dataset, batch_size=None, sampler=BatchSampler(RandomSampler(dataset), 2, drop_last=False)))
    assert sum(len(batch["label"]) for batch in batches) == len(dataset) > 1
    assert batches[0]["images"].shape == (2, 2, 60, 60)
    assert batches[0]["images"].is_contiguous(memory_format=torch.channels_last)


def test_an_empty_part_is_said(exported):
    with pytest.raises(DatasetError, match="no object of fold 99 is in the part validation"):
        NeedleDataset(exported, fold=99, part="validation")


def test_what_is_asked_for_and_is_not_there_is_said_in_a_sentence(tmp_path, exported):
    with pytest.raises(DatasetError, match="holds no table objects"):
        NeedleDataset(tmp_path)
    with pytest.raises(DatasetError, match="'test' is no part of a training set; choose among training"):
        NeedleDataset(exported, part="test")
