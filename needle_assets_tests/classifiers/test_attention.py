"""Where a network looks: Grad-CAM of a network small enough to do by hand, and the share of it that falls on the source."""

import numpy as np
import pytest
import torch

from needle_assets.classifiers.attention import attention_fraction, attention_maps
from needle_assets.classifiers.needle import SCORING_BATCH, Architecture, Needle


@pytest.fixture
def network(rng) -> Needle:
    return Needle(Architecture(has_images=True, n_features=4, n_classes=3), rng)


def samples(rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((n, 60, 60, 2), dtype=np.float32), rng.normal(size=(n, 4)).astype(np.float32)


def heat(network: Needle, images: np.ndarray, features: np.ndarray, label: int) -> np.ndarray:
    """The same by finite steps of each map as a whole: mean gradient times map, summed, negative parts cut; before stretching."""
    with torch.no_grad():
        maps = network.last_convolution(torch.as_tensor(images).permute(0, 3, 1, 2))
    maps.requires_grad_()
    logit = network.joined_logits(network.after_convolution(maps), torch.as_tensor(features))[0, label]
    logit.backward()
    weight = maps.grad[0].numpy().mean(axis=(1, 2))
    return np.maximum((weight[:, None, None] * np.maximum(maps[0].detach().numpy(), 0)).sum(axis=0), 0)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_map_is_the_weighted_sum_of_the_last_convolution_stretched_to_the_stamp(label, network, rng):
    images, features = samples(rng, 1)
    found = attention_maps(network, images, features, np.array([label]))
    assert found.shape == (1, 60, 60)
    expected = heat(network, images, features, label)
    stretched = torch.nn.functional.interpolate(torch.as_tensor(expected)[None, None], size=(60, 60), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found[0], stretched.numpy(), rtol=1e-4, atol=1e-7)


def test_the_preferred_class_is_explained_unless_another_is_asked_for(network, rng):
    images, features = samples(rng, 3)
    with torch.no_grad():
        preferred = network(torch.as_tensor(images).permute(0, 3, 1, 2), torch.as_tensor(features)).argmax(dim=1).numpy()
    found = attention_maps(network, images, features)
    np.testing.assert_allclose(found, attention_maps(network, images, features, preferred), rtol=1e-5, atol=1e-8)
    assert not np.allclose(found, attention_maps(network, images, features, (preferred + 1) % 3))


def test_more_samples_than_one_batch_keep_their_order(network, rng):
    images, features = samples(rng, SCORING_BATCH + 2)
    labels = np.arange(SCORING_BATCH + 2) % 3
    together = attention_maps(network, images, features, labels)
    assert len(together) == SCORING_BATCH + 2
    for k in (0, SCORING_BATCH - 1, SCORING_BATCH, SCORING_BATCH + 1):
        alone = attention_maps(network, images[k : k + 1], features[k : k + 1], labels[k : k + 1])
        np.testing.assert_allclose(together[k], alone[0], rtol=1e-4, atol=1e-7)


def test_no_samples_have_no_maps(network, rng):
    assert attention_maps(network, *samples(rng, 0)).shape == (0, 60, 60)


def test_the_fraction_is_the_share_of_each_map_on_its_own_mask():
    maps, masks = np.zeros((3, 60, 60)), np.zeros((3, 60, 60), dtype=bool)
    maps[0, 5, 5], maps[0, 50, 50], maps[1, 50, 50] = 3.0, 1.0, 2.0
    masks[0, 5, 5] = masks[1, 5, 5] = masks[2] = True
    found = attention_fraction(maps, masks)
    assert found[:2].tolist() == [0.75, 0.0]
    assert np.isnan(found[2])


def test_fractions_are_given_to_six_decimals():
    maps, masks = np.ones((1, 60, 60)), np.zeros((1, 60, 60), dtype=bool)
    masks[0, :, :7] = masks[0, 0, 7] = True
    assert attention_fraction(maps, masks).tolist() == [0.116944]
