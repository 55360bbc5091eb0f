"""What each ablation compares."""

import pytest

from needle_assets.samples.ablations import ABLATIONS, UnknownAblationError, ablation_named

# name: has_images, is_masked, is_upsampled, is_focal
COMPARED = {
    "unmasked": (True, False, False, True),
    "masked": (True, True, False, True),
    "masked_upsampled": (True, True, True, True),
    "masked_upsampled_ce": (True, True, True, False),
    "metadata": (False, False, False, True),
    "metadata_upsampled": (False, False, True, True),
    "metadata_early": (False, False, False, True),
    "trees": (False, False, False, True),
    "trees_early": (False, False, False, True),
    "stacked": (False, False, False, True),
    "stacked_early": (False, False, False, True),
    "trees_upsampled": (False, False, True, True),
}


def test_the_ablations_are_those_of_the_paper_and_trees_on_the_same_features():
    assert {a.name: (a.has_images, a.is_masked, a.is_upsampled, a.is_focal) for a in ABLATIONS} == COMPARED
    assert {a.n_synthetic for a in ABLATIONS} == {None}
    assert [a.name for a in ABLATIONS if a.is_trees] == ["trees", "trees_upsampled", "trees_early"]


@pytest.mark.parametrize("name", COMPARED)
def test_each_is_found_by_its_name(name):
    assert ablation_named(name).name == name


@pytest.mark.parametrize("name", ["masked_upsampled", "masked_upsampled_ce", "metadata_upsampled", "trees_upsampled"])
def test_a_number_behind_an_upsampled_one_is_how_many(name):
    found, plain = ablation_named(f"{name}_50"), ablation_named(name)
    assert (found.name, found.n_synthetic) == (f"{name}_50", 50)
    assert (found.is_masked, found.is_focal, found.is_upsampled) == (plain.is_masked, plain.is_focal, True)


@pytest.mark.parametrize("name", ["masked_50", "nothing", "nothing_50", "masked_upsampled_x", "", "_5"])
def test_any_other_name_is_refused_with_the_choice(name):
    with pytest.raises(UnknownAblationError, match=r"choose among unmasked, masked, .* masked_upsampled_50"):
        ablation_named(name)
