"""Whoever judges a model has no part in it: each way to break that is found, and named."""

import pytest

from needle_assets.samples.leakage import LeakError, Parents, TrainingPart, require_no_leak

SOUND = {
    "trained": ["a", "b"],
    "validated": ["v"],
    "parents": [Parents("a", "b")],
    "parted": ["a", "b", "hostless"],
    "scaled": ["a"],
}
LEAKS = {
    "are untouched and would be trained on": {"trained": ["a", "b", "u"]},
    "are in the training part and in the validation part": {"trained": ["a", "b", "v"]},
    "are untouched and would stop the training": {"validated": ["v", "u"]},
    "are parents of synthetic samples and would judge the model": {"parents": [Parents("a", "v")], "parted": ["v"]},
    "would judge the model": {"parents": [Parents("u", "a")], "parted": ["u"]},
    "are parents of synthetic samples but not in the training part": {"parents": [Parents("stranger", "a")]},
    "but not in the training part": {"parents": [Parents("a", "stranger")]},
    "were used to fit the scaler but are not in the training part": {"scaled": ["a", "hostless"]},
}


@pytest.mark.parametrize("sentence", LEAKS)
def test_each_leak_is_found(sentence):
    with pytest.raises(LeakError, match=sentence):
        require_no_leak(TrainingPart(**{**SOUND, **LEAKS[sentence]}), ["u"])


def test_a_sound_part_passes_and_a_hostless_object_may_be_a_parent():
    require_no_leak(TrainingPart(**SOUND), ["u"])
    require_no_leak(TrainingPart(**{**SOUND, "parents": [Parents("hostless", "a")]}), ["u"])


def test_three_names_are_shown_and_the_others_counted():
    part = TrainingPart(trained=["e", "d", "c", "b", "a"], validated=[])
    with pytest.raises(LeakError, match="leak: a, b, c and 2 more are untouched"):
        require_no_leak(part, list("abcde"))
    with pytest.raises(LeakError, match="leak: a, b, c are untouched"):
        require_no_leak(part, list("abc"))
