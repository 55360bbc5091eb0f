"""Synthetic pairs are told from real ones by their pixels only where something was done to them that is not done to real ones."""

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.realism import realism
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets_tests.assets.sample_frames import SETTINGS

N = 24


def frames(angle_deg: float) -> dict[str, pl.DataFrame]:
    """Objects of noise with stamps, and two synthetic samples on each, turned."""
    rng = np.random.default_rng(3)
    names = [f"ZTF18{chr(97 + k // 26)}{chr(97 + k % 26)}aaaaa" for k in range(N)]
    place = {"label": "TDE", "is_hosted": True, "has_good_pair": True, "is_untouched": False, "validation_of": [1]}
    features = pl.DataFrame({name: rng.normal(size=N) for name in HOSTED_FEATURES}).with_columns(object_id=pl.Series(names))
    image = {"target_x_px": 29.5, "target_y_px": 29.5, "host_x_px": None, "host_y_px": None, "mask": [True] * 3600}
    stamps = [
        {"object_id": name, **image}
        | {
            f"{which}{end}": rng.normal(size=n).tolist()
            for which in ("science", "reference")
            for end, n in (("", 3600), ("_noise", 50))
        }
        for name in names
    ]
    recipe = {"model_kind": "TH", "fold": 0, "label": "TDE", "rotation_deg": angle_deg, "flip": False}
    drawn = [{**recipe, "image_parent": name, "seed": k} for k, name in enumerate(names * 2)]
    values = pl.concat([features.drop("object_id")] * 2)
    return {
        "core.splits": pl.DataFrame([{"object_id": name, "identity": name, **place} for name in names]),
        "core.features": features,
        "core.masked_stamps": pl.DataFrame(stamps, schema_overrides={"host_x_px": pl.Float64, "host_y_px": pl.Float64}),
        "core.synthetic_samples": pl.concat([pl.DataFrame(drawn), values], how="horizontal"),
    }


@pytest.mark.parametrize(("angle_deg", "is_told"), [(90.0, False), (45.0, True)])
def test_samples_turned_by_any_angle_are_told_by_their_pixels_and_by_quarter_turns_not(angle_deg, is_told):
    rows = {row["compared"]: row for row in realism(frames(angle_deg), SETTINGS).rows}
    assert (rows["pixels"]["n_real"], rows["pixels"]["n_synthetic"]) == (N, 2 * N)
    assert rows["pixels"]["is_failed"] == is_told
    assert not rows["features"]["is_failed"]
    assert rows["pixels"]["telling"][0].startswith(("science_", "reference_"))
