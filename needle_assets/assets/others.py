"""Glue of what is none of the classes: how likely the stored model, if there is one, calls objects so."""

import numpy as np
import polars as pl

from needle_assets.assets.samples import feature_matrix


def p_other(models: pl.DataFrame, objects: pl.DataFrame) -> list[float | None]:
    """
    Probability of each object of being none of the classes; None without a model, and then nothing is imported.

    ``models`` are rows of ``results.other_models``, ``objects`` hold object_id and features. An object that trained the model is
    judged by the trees that did not see it.
    """
    if models.is_empty() or objects.is_empty():
        return [None] * len(objects)
    from needle_assets.classifiers.others import OtherModel

    row = models.row(0, named=True)
    fold_of = dict(zip(row["trained_ids"], row["fold_of"], strict=True))
    fold = np.array([fold_of.get(object_id, -1) for object_id in objects["object_id"]])
    model = OtherModel(tuple(row["weights"]), row["slope"], row["intercept"])
    return [float(p) for p in model.held_out(feature_matrix(objects, row["features"]), fold)]
