"""Places are balanced, kept, and closed where they must be."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.samples.leakage import LeakError, Parents, TrainingPart, require_no_leak
from needle_assets.samples.splits import Labelled, Place, assign, groups_of_folds, rule, untouched_window_mjd
from needle_assets.settings import SplitSettings

OUTSIDE, INSIDE = 58500.0, 60500.0


def labelled(n: int, label: str = "SN", *, first_mjd: float = OUTSIDE, start: int = 0) -> list[Labelled]:
    return [Labelled(f"ZTF18{label}{i:06d}", label, i % 3 != 0, first_mjd) for i in range(start, start + n)]


def test_the_window_holds_both_its_days():
    assert untouched_window_mjd(SplitSettings()) == (60365.0, 60830.0)  # 2024-02-25 0h and 2025-06-04 0h
    places = assign([Labelled("a", "TDE", True, 60829.9), Labelled("b", "TDE", True, 60830.0)], {}, SplitSettings())
    assert places["a"].is_untouched
    assert not places["b"].is_untouched


def test_given_ids_replace_the_window():
    places = assign(labelled(3, first_mjd=INSIDE), {}, SplitSettings(untouched_ids=("ZTF18SN000001",)))
    assert [object_id for object_id, place in places.items() if place.is_untouched] == ["ZTF18SN000001"]


def test_every_label_and_host_flag_is_spread_evenly_over_the_folds():
    objects = labelled(205) + labelled(23, "TDE") + labelled(41, "SLSN-I")
    places = assign(objects, {}, SplitSettings())
    for label in ("SN", "TDE", "SLSN-I"):
        for is_hosted in (True, False):
            counts = Counter(
                places[o.object_id].validation_of[0] for o in objects if (o.label, o.is_hosted) == (label, is_hosted)
            )
            assert max(counts.values()) - min(counts.get(fold, 0) for fold in range(10)) <= 1


@settings(max_examples=25)
@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from(["folds", "holdouts"]), st.randoms())
def test_places_are_kept_when_objects_come_and_do_not_depend_on_the_order(n_before, n_after, scheme, random):
    chosen = SplitSettings(scheme=scheme, n_folds=5)
    before = assign(labelled(n_before), {}, chosen)
    objects = labelled(n_before + n_after) + labelled(4, first_mjd=INSIDE, start=500)
    after = assign(objects, before, chosen)
    random.shuffle(objects)
    assert before.items() <= after.items()
    assert assign(objects, before, chosen) == after
    assert sum(place.is_untouched for place in after.values()) == 4


@pytest.mark.parametrize("scheme", ["folds", "holdouts"])
def test_another_deal_gives_other_places_as_evenly_and_always_the_same(scheme):
    objects = labelled(200) + labelled(40, "TDE")
    first, second = (assign(objects, {}, SplitSettings(scheme=scheme, n_folds=5, deal=deal)) for deal in (1, 2))
    moved = sum(first[name].validation_of != second[name].validation_of for name in first)
    assert moved > 0.5 * len(objects)
    counts = [Counter(n for place in places.values() for n in place.validation_of) for places in (first, second)]
    assert abs(max(counts[0].values()) - max(counts[1].values())) <= 3
    assert assign(objects, {}, SplitSettings(scheme=scheme, n_folds=5, deal=2)) == second


def test_an_untouched_object_stays_untouched_when_the_window_no_longer_holds_it():
    place = assign(labelled(1), {"ZTF18SN000000": Place(is_untouched=True)}, SplitSettings())
    assert place["ZTF18SN000000"].is_untouched


def test_holdouts_take_a_fifth_of_every_class_each():
    objects = labelled(100) + labelled(20, "TDE")
    places = assign(objects, {}, SplitSettings(scheme="holdouts"))
    for number in range(10):
        held = Counter(o.label for o in objects if number in places[o.object_id].validation_of)
        assert held["SN"] == 20
        assert held["TDE"] == 4


def test_another_rule_is_another_text():
    assert rule(SplitSettings()) == "10 folds, untouched 2024-02-25..2025-06-03, deal 1"
    assert len({rule(SplitSettings(deal=2)), rule(SplitSettings(n_folds=3)), rule(SplitSettings(scheme="holdouts"))}) == 3


def test_full_folds_are_left_as_they_are():
    assert groups_of_folds([0, 1, 2] * 2, ["a"] * 3 + ["b"] * 3, 3) == (0, 1, 2)


def test_small_folds_are_joined_until_each_holds_every_class():
    folds, labels = [0, 1, 2, 3, 0, 3, 1, 2], ["SN"] * 4 + ["TDE"] * 2 + ["SLSN-I"] * 2
    groups = np.array(groups_of_folds(folds, labels, 4))
    held = {(groups[fold], label) for fold, label in zip(folds, labels, strict=True)}
    assert held == {(group, label) for group in (0, 1) for label in set(labels)}


def test_a_class_with_one_object_cannot_be_folded():
    assert groups_of_folds([0, 1, 2], ["SN", "SN", "TDE"], 3) is None


PARENTS = [Parents("a", "b")]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (TrainingPart({"a", "u"}, {"v"}), "u are untouched and would be trained on"),
        (TrainingPart({"a", "v"}, {"v"}), "v are in the training part and in the validation part"),
        (TrainingPart({"a"}, {"u"}), "u are untouched and would stop the training"),
        (TrainingPart({"a", "b"}, {"v"}, [Parents("v", "b")]), "v are parents"),
        (TrainingPart({"a", "b"}, {"v"}, [Parents("a", "u")]), "u are parents"),
        (TrainingPart({"a"}, {"v"}, PARENTS), "b are parents of synthetic samples but not"),
        (TrainingPart({"a", "b"}, {"v"}, PARENTS, scaled={"a", "v"}), "v were used to fit the scaler"),
    ],
)
def test_each_planted_leak_is_caught(part, said):
    with pytest.raises(LeakError, match=said):
        require_no_leak(part, {"u"})


def test_a_clean_part_passes():
    require_no_leak(TrainingPart({"a"}, {"v"}, PARENTS, {"a", "b"}, scaled={"a"}), {"u"})


def test_folds_are_joined_beginning_with_the_one_that_holds_most_of_what_is_rare():
    folds = [0] * 9 + [1, 2] + [1, 1, 1, 2]
    assert groups_of_folds(folds, ["SN"] * 11 + ["TDE"] * 4, 3) == (1, 0, 1)


@pytest.mark.parametrize(("twin", "said"), [("v", "are in the training part and in the validation part"), ("u", "are untouched")])
def test_a_leak_under_another_id_is_caught(twin, said):
    same = {"a": "a", twin: "a"}
    with pytest.raises(LeakError, match=f"a {said}"):
        require_no_leak(TrainingPart({"a", "b"}, {"v"}, identity=same), {"u"})
    with pytest.raises(LeakError, match="a are parents of synthetic samples and would judge the model"):
        require_no_leak(TrainingPart({"b"}, {"v"}, PARENTS, {"a", "b"}, identity=same), {"u"})


TWINS = [Labelled("b", "SN", True, 58510.0, ("d",)), Labelled("d", "SN", False, 58500.0, ("b",))]
FOLD_1, FOLD_2 = Place(is_untouched=False, validation_of=(1,)), Place(is_untouched=False, validation_of=(2,))


@pytest.mark.parametrize("scheme", ["folds", "holdouts"])
def test_ids_of_one_object_have_one_place_and_others_keep_theirs(scheme):
    chosen = SplitSettings(scheme=scheme, n_folds=5)
    pairs = [Labelled(f"p{i}", "SN", True, OUTSIDE, (f"q{i}",)) for i in range(30)]
    pairs += [Labelled(f"q{i}", "SN", i % 2 == 0, OUTSIDE, (f"p{i}",)) for i in range(30)]
    alone = assign(labelled(40), {}, chosen)
    places = assign(labelled(40) + pairs, alone, chosen)
    assert all(places[f"p{i}"] == places[f"q{i}"] for i in range(30))
    assert alone.items() <= places.items()
    if scheme == "folds":
        counts = Counter(place.validation_of[0] for place in places.values())
        assert max(counts.values()) - min(counts.values()) <= 3


def test_ids_found_to_be_one_move_to_the_place_of_the_one_detected_first():
    assert assign(TWINS, {"b": FOLD_1, "d": FOLD_2}, SplitSettings()) == {"b": FOLD_2, "d": FOLD_2}
    assert assign(TWINS, {"b": FOLD_1}, SplitSettings()) == {"b": FOLD_1, "d": FOLD_1}


def test_the_untouched_set_wins_over_a_fold():
    untouched = Place(is_untouched=True)
    for known in ({"b": untouched, "d": FOLD_2}, {"b": FOLD_1, "d": untouched}, {"b": untouched}):
        assert assign(TWINS, known, SplitSettings()) == {"b": untouched, "d": untouched}


def test_an_object_is_kept_aside_by_any_of_its_ids_or_by_its_first_detection_under_any():
    named = SplitSettings(untouched_ids=("d",))
    assert assign(TWINS[:1], {}, named)["b"].is_untouched
    late = [Labelled("b", "SN", True, INSIDE, ("d",)), Labelled("d", "SN", True, OUTSIDE, ("b",))]
    assert not any(place.is_untouched for place in assign(late, {}, SplitSettings()).values())
