"""Where a network looked at an object: computed when somebody asks, by the models that are stored."""

import numpy as np

from needle_assets.assets.models import attention_of, stamp_pair, stamps_by_object
from needle_assets.samples.ablations import ablation_named
from needle_assets.warehouse.pages import objects as stored
from needle_assets.warehouse.pages.published import Published


def attention_of_object(published: Published, object_id: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The science image that the network sees and its attention, both of shape (60, 60); None without stamps or a model for them."""
    objects, stamps, model = stored.looked_at(published, object_id)
    if model is None or objects.is_empty() or stamps.is_empty():
        return None
    pixels = stamps_by_object(stamps)
    attention = attention_of(model, objects, pixels)[0]
    return stamp_pair(pixels[object_id], is_masked=ablation_named(model["ablation"]).is_masked)[..., 0], attention
