"""An exported training set as a dataset of torch, for networks of one's own.

``NeedleDataset(folder, fold=0, part="training")`` holds the objects that the model of a fold is trained on, prepared as NEEDLE's own
training does. It reads nothing but the folder: no home and no database.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.dataset as ds
import torch
from torch import Tensor
from torch.utils.data import Dataset

from needle_assets.assets.models import stamp_pair
from needle_assets.assets.samples import usable_by
from needle_assets.assets.synthetic_pairs import synthetic_pairs
from needle_assets.errors import NeedleError
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES

PARTS = ("training", "validation", "untouched")
STAMPS_PER_BATCH = 64


class DatasetError(NeedleError):
    """An exported training set cannot be read as asked; the message says why and what to do."""


class NeedleDataset(Dataset[dict[str, Tensor]]):
    """
    Samples of one part of an exported training set, in memory: map-style.

    Parameters
    ----------
    folder : path
        Written by ``needle export training-set``.
    fold : int
        The model that is trained: its validation part is the objects whose ``validation_of`` names it.
    part : {"training", "validation", "untouched"}
        Untouched objects belong to no fold; look at them once, at the end.
    model_kind : {"TH", "T", "metadata"}
        Which objects: hosted ones with stamps, hostless ones with stamps, or all of them without stamps.
    is_masked : bool
        Whether other sources are masked in the stamps of real objects; those of synthetic samples always are.
    n_synthetic : int
        How many synthetic samples of each class are added to a training part, as far as there are.
    feature_names : sequence of str
        Columns of ``features``, in order.

    Notes
    -----
    An item is ``{"images": (2, 60, 60), "features": (k,), "label": ()}``: science and reference image between 0 and 1 by their common
    range (none for ``metadata``), features as they are stored with NaN where they are missing, and the number of the class in ``LABELS``.
    Indexed with a list, it gives a whole batch at once; a ``DataLoader`` does so with ``batch_size=None`` and
    ``sampler=BatchSampler(RandomSampler(dataset), 32, drop_last=False)``. Scale features with statistics of the training part alone.
    A pair of stamps takes 29 kB of memory.

    Raises
    ------
    DatasetError
        If the folder holds no exported training set, or the part has no objects.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        fold: int = 0,
        part: str = "training",
        model_kind: str = "TH",
        is_masked: bool = True,
        n_synthetic: int = 0,
        feature_names: Sequence[str] = HOSTED_FEATURES,
    ) -> None:
        self._folder = Path(folder)
        chosen = self._objects(fold, part, model_kind)
        features = self._read("features", ["object_id", *feature_names])
        real = chosen.join(features, on="object_id", how="left", maintain_order="left")
        recipes = self._recipes(fold, model_kind, n_synthetic if part == "training" else 0)
        self.ids: tuple[str, ...] = tuple(real["object_id"])
        self.n_synthetic = len(recipes)
        both = pl.concat([rows.select(pl.col(feature_names).cast(pl.Float32)) for rows in (real, recipes)])
        self.features = torch.from_numpy(both.fill_null(float("nan")).to_numpy().astype(np.float32))
        named = [*real["label"], *recipes["label"]]
        self.labels = torch.tensor([LABELS.index(label) for label in named], dtype=torch.long)
        self.images = None if model_kind == "metadata" else self._images(recipes, is_masked=is_masked)

    def __len__(self) -> int:
        """Real and synthetic samples, the real ones first."""
        return len(self.labels)

    def __getitem__(self, index: int | Sequence[int] | Tensor) -> dict[str, Tensor]:
        """One sample, or several stacked."""
        images = {} if self.images is None else {"images": self.images[index]}
        return {**images, "features": self.features[index], "label": self.labels[index]}

    def _read(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        try:
            return pl.read_parquet(self._folder / table / "*.parquet", columns=None if columns is None else list(columns))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DatasetError(
                f"{self._folder} holds no table {table} as `needle export training-set` writes it ({str(error).splitlines()[0]}); "
                "name the folder of an exported training set."
            ) from error

    def _objects(self, fold: int, part: str, model_kind: str) -> pl.DataFrame:
        if part not in PARTS:
            raise DatasetError(f"{part!r} is no part of a training set; choose among {', '.join(PARTS)}.")
        objects = self._read("objects")
        judges = pl.col("validation_of").list.contains(fold)
        wanted = {"training": ~pl.col("is_untouched") & ~judges, "validation": judges, "untouched": pl.col("is_untouched")}[part]
        chosen = objects.filter(wanted & usable_by(model_kind)).select("object_id", "label").sort("object_id")
        if chosen.is_empty():
            raise DatasetError(f"{self._folder}: no object of fold {fold} is in the part {part} for models of kind {model_kind}.")
        return chosen

    def _recipes(self, fold: int, model_kind: str, n_synthetic: int) -> pl.DataFrame:
        of_fold = (pl.col("model_kind") == model_kind) & (pl.col("fold") == fold) & (pl.col("sample") < n_synthetic)
        return self._read("synthetic_samples").filter(of_fold)

    def _images(self, recipes: pl.DataFrame, *, is_masked: bool) -> Tensor:
        """Every pair, shape (n, 2, 60, 60), with the channels last in memory as networks read them fastest."""
        position = {object_id: k for k, object_id in enumerate(self.ids)}
        numbered = recipes.with_row_index("at", offset=len(self.ids))
        by_parent = {str(key[0]): rows for key, rows in numbered.partition_by("image_parent", as_dict=True).items()}
        pixels: np.ndarray | None = None
        for row in self._stamps([*position, *by_parent]):
            pairs = [(position[row["object_id"]], stamp_pair(row, is_masked=is_masked))] if row["object_id"] in position else []
            recipes_of_row = by_parent.get(row["object_id"])
            rendered = [] if recipes_of_row is None else synthetic_pairs(row, recipes_of_row)
            for at, pair in [*pairs, *((recipe["at"], pair) for recipe, pair in rendered)]:
                pixels = np.full((len(self), *pair.shape), np.nan, np.float32) if pixels is None else pixels
                pixels[at] = pair
        if pixels is None or np.isnan(pixels).any():
            raise DatasetError(f"{self._folder}: stamps of some objects are missing; get the folder again.")
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _stamps(self, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Rows of the stamps of these objects, a few in memory at a time."""
        files = sorted((self._folder / "stamps").glob("*.parquet"))
        wanted = ds.field("object_id").isin(sorted(set(ids)))
        for batch in ds.dataset(files).to_batches(filter=wanted, batch_size=STAMPS_PER_BATCH):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield from frame.iter_rows(named=True)
