"""Pixels reach training under the id they belong to, whatever order or gaps they come with."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.samples import MODEL_KINDS
from needle_assets.assets.trained.fold_models import TrainingError
from needle_assets.assets.trained.pixels import KeyedPixels
from needle_assets.assets.trained.quality_models import good_images
from needle_assets.home import Home
from needle_assets.pipeline import train as training
from needle_assets.samples.ablations import ablation_named
from needle_assets.warehouse import rows
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models
from needle_assets.warehouse.schema import apply, read_tables

IDS = ("ZTF18aaaaaaa", "ZTF18aaaaaab", "ZTF18aaaaaac")


def pair(value: float) -> np.ndarray:
    return np.full((60, 60, 2), value, dtype=np.float32)


def test_a_pair_is_found_under_its_key_in_whatever_order_it_came(tmp_path) -> None:
    pixels = KeyedPixels(tmp_path / "a.npy", IDS)
    for value, object_id in reversed(list(enumerate(IDS))):
        pixels.put(object_id, pair(value))
    stored = np.load(tmp_path / "a.npy")
    assert [stored[pixels.complete()[object_id], 0, 0, 0] for object_id in IDS] == [0.0, 1.0, 2.0]


def test_missing_pixels_stop_the_training_and_are_named(tmp_path) -> None:
    pixels = KeyedPixels(tmp_path / "a.npy", IDS)
    pixels.put(IDS[0], pair(1.0))
    pixels.put(IDS[2], pair(2.0))
    with pytest.raises(TrainingError, match=rf"1 of 3 stamps .*{IDS[1]}.*run `needle refresh`"):
        pixels.complete()
    with pytest.raises(KeyError):
        pixels.put("ZTF18zzzzzzz", pair(3.0))


def test_no_pixels_are_an_empty_file(tmp_path) -> None:
    assert KeyedPixels[str](tmp_path / "a.npy", []).complete() == {}
    assert np.load(tmp_path / "a.npy").shape == (0, 0, 0, 2)


@dataclass
class Of:
    """As much of a session as freezing needs."""

    home: Home


@dataclass
class Asked:
    """As much of a job and of a training set as freezing needs: two folds of one kind of model, with one synthetic sample."""

    trained: tuple[str, ...] = IDS[:2]
    validated: tuple[str, ...] = IDS[2:]
    model_kind: str = MODEL_KINDS[0]
    folds: tuple[int, ...] = (0,)
    synthetic: tuple[tuple[str, int], ...] = (("TDE", 0),)
    ablation: object = field(default_factory=lambda: ablation_named("masked_upsampled"))


@dataclass
class Set:
    training_set_id: str
    synthetic: pl.DataFrame


RECIPES = pl.DataFrame(
    {
        "model_kind": [MODEL_KINDS[0]],
        "fold": [0],
        "label": ["TDE"],
        "sample": [0],
        "image_parent": [IDS[1]],
        "rotation_deg": [0.0],
        "flip": [False],
        "seed": [1],
    }
)


def stored(row: int) -> dict[str, object]:
    """A row of core.masked_stamps whose pixels tell which object it is: a bright pixel in its own column."""
    image = np.zeros((60, 60), dtype=np.float32)
    image[30, 10 + row] = 100.0
    images = dict.fromkeys(("science", "reference", "science_unmasked", "reference_unmasked"), image.ravel())
    noise = dict.fromkeys(("science_noise", "reference_noise"), np.linspace(-1.0, 1.0, 11))
    place = {"target_x_px": 29.5, "target_y_px": 29.5, "host_x_px": None, "host_y_px": None}
    return {"object_id": IDS[row], **images, **noise, **place, "mask": np.ones(3600, dtype=bool)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_stamps_reach_training_under_their_own_ids(order, tmp_path, monkeypatch) -> None:
    frozen = freeze(tmp_path, monkeypatch, order)
    pixels = np.load(frozen.folder / "masked.npy")
    found = [int(pixels[frozen.row_of[object_id], 30, :, 0].argmax()) for object_id in IDS]
    assert found == [10, 11, 12]
    rendered = np.load(frozen.folder / "synthetic.npy")[frozen.rendered[MODEL_KINDS[0], 0, "TDE", 0]]
    assert abs(int(rendered[30, :, 0].argmax()) - 11) <= 1


@pytest.mark.parametrize("order", [(0, 2), (0, 1)])
def test_a_missing_stamp_stops_the_training(order, tmp_path, monkeypatch) -> None:
    with pytest.raises(TrainingError, match="1 of 3 stamps that training needs are not stored"):
        freeze(tmp_path, monkeypatch, order)


def freeze(folder: Path, monkeypatch, order: tuple[int, ...]):
    monkeypatch.setattr(models, "stamps", lambda _connection, _ids: map(stored, order))
    home = Home(folder).prepare()
    return training._freeze(Of(home), Set("set", RECIPES), [Asked()])  # type: ignore[arg-type]


def test_columns_of_pixels_that_are_read_apart_are_put_together_by_key(tmp_path, monkeypatch) -> None:
    columns = ("science", "reference", "science_unmasked", "reference_unmasked", "mask")
    with writing(tmp_path / "a.duckdb") as connection:
        apply(connection)
        for k, object_id in enumerate(IDS):
            value = f"list_resize([]::float[], 3600, {k})::float[3600]"
            connection.execute(
                f"insert into core.masked_stamps select '{object_id}', {k}, 'r', 1.0, {value}, {value}, {value}, {value}, "
                "list_resize([]::boolean[], 3600, true)::boolean[3600], [], [], 29.5, 29.5, null, null, false, false, false"
            )
        original, asked = rows._sorted, []

        def backwards(*given):
            asked.append(given)
            frame = original(*given)
            return frame if len(asked) == 1 else frame.sort("object_id", descending=True)

        monkeypatch.setattr(rows, "_sorted", backwards)
        frame = rows.load(connection, {"core.masked_stamps": columns}, read_tables(), None, {})["core.masked_stamps"]
    assert len(asked) > 1, "some columns are read apart"
    assert frame.columns == ["object_id", *columns]
    for name in columns[:4]:
        assert [values[0] for values in frame[name].to_list()] == [0.0, 1.0, 2.0]


def test_a_judged_image_without_its_stamp_stops_the_training_of_checkers() -> None:
    images = pl.Series([np.zeros(3600, dtype=np.float32)], dtype=pl.Array(pl.Float32, 3600))
    stamps = pl.DataFrame({"object_id": [IDS[0]], "candid": [1], "science": images, "reference": images})
    judged = pl.DataFrame(
        {"object_id": [IDS[0], IDS[1]], "candid": [1, 2], "image": ["science"] * 2, "reasons": [[], []]},
        schema_overrides={"reasons": pl.List(pl.String)},
    )
    assert [image.object_id for image in good_images({"core.stamps": stamps, "core.stamp_quality": judged[:1]})] == [IDS[0]]
    with pytest.raises(TrainingError, match="1 judged images have no stamp"):
        good_images({"core.stamps": stamps, "core.stamp_quality": judged})
