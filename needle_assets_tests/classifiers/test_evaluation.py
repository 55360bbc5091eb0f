"""Every measure is of what it says, by hand on a few objects."""

import numpy as np
import pytest

from needle_assets.classifiers.evaluation import Scores, all_measures, association, ensemble
from needle_assets.settings import MetricSettings

SN, SLSN, TDE = [0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]
FEW = MetricSettings(n_bootstrap=20)


def scores(ids, p, y) -> Scores:
    return Scores(np.array(ids), np.array(p, dtype=float), np.array(y))


MODELS = {
    0: scores(["a", "b", "u"], [SN, SLSN, TDE], [0, 1, 2]),
    1: scores(["u", "c"], [SN, TDE], [2, 2]),
    2: scores(["d", "e", "f"], [SN, TDE, SLSN], [0, 1, 2]),
}


def measured(part="validation", attention=None, temperature=None, models=MODELS, settings=FEW):
    return all_measures(models, attention or {}, temperature, part, np.random.default_rng(1), settings)


def of(found, metric, aggregate="ensemble", label=None, **asked):
    chosen = [a for a in found if (a.measure.metric, a.aggregate, a.measure.label) == (metric, aggregate, label)]
    chosen = [a for a in chosen if all(getattr(a, k, getattr(a.measure, k, None)) == v for k, v in asked.items())]
    assert len(chosen) == 1, [a.measure for a in chosen]
    return chosen[0].measure


def test_an_object_that_several_models_judge_has_their_mean_and_objects_come_by_id():
    together = ensemble(MODELS)
    assert together.object_id.tolist() == ["a", "b", "c", "d", "e", "f", "u"]
    assert together.y.tolist() == [0, 1, 2, 0, 1, 2, 2]
    np.testing.assert_allclose(together.p[6], [0.5, 0.13, 0.37])
    np.testing.assert_allclose(together.p[:2], [SN, SLSN])


def test_curves_are_purity_and_completeness_of_all_above_a_probability():
    found = measured()
    assert of(found, "curve_purity", label="TDE", threshold=0.7).value == 0.5
    assert of(found, "curve_completeness", label="TDE", threshold=0.7).value == pytest.approx(1 / 3)
    assert of(found, "curve_completeness", label="TDE", threshold=0.36).value == pytest.approx(2 / 3)
    assert of(found, "curve_purity", label="TDE", threshold=0.36).value == pytest.approx(2 / 3)
    assert of(found, "curve_completeness", label="SN", threshold=0.5).value == 1.0
    assert of(found, "curve_purity", label="SN", threshold=0.5).value == pytest.approx(2 / 3)
    assert of(found, "curve_purity", label="SN", threshold=0.5).n == 2
    thresholds = [a.measure.threshold for a in found if a.measure.metric == "curve_purity" and a.measure.label == "SN"]
    assert thresholds == [round(0.02 * k, 2) for k in range(1, 46)]


def test_scores_of_each_model_their_mean_and_their_scatter():
    found = measured()
    each = [of(found, "macro_confidence", "model", fold=k).value for k in (0, 2)]
    assert each == [pytest.approx((0.9 + 0.8 + 0.7) / 3)] * 2
    assert of(found, "macro_confidence", "model", fold=1).value is None
    assert of(found, "macro_confidence", "model", fold=1).reason == "a class it averages over has no object"
    true = [0.8, (0.9 + 0.2 + 0.1) / 3]
    mean, std = of(found, "macro_confidence_true", "mean"), of(found, "macro_confidence_true", "std")
    assert (mean.value, mean.n, mean.ci_low) == (pytest.approx(np.mean(true)), 2, None)
    assert std.value == pytest.approx(np.std(true, ddof=1))


def test_rates_of_models_are_those_of_the_rare_classes_at_one_half_and_four_fifths():
    of_model = [a.measure for a in measured() if a.aggregate == "model" and a.fold == 0]
    assert {m.label for m in of_model if m.metric == "purity"} == {"SLSN-I", "TDE"}
    assert {m.threshold for m in of_model if m.metric == "purity"} == {0.5, 0.8}
    assert {(m.ci_low, m.ci_high) for m in of_model} == {(None, None)}
    assert {m.metric for m in of_model if m.threshold} == {
        "purity",
        "completeness_of_covered",
        "completeness_all",
        "coverage",
        "f1",
    }


def test_the_area_of_a_class_without_objects_is_unknown_and_says_why():
    found = measured()
    assert of(found, "pr_area", "model", label="SLSN-I", fold=1).reason == "no object of the class"
    assert of(found, "pr_area", "model", label="SLSN-I", fold=1).value is None
    assert of(found, "pr_area", "model", label="SLSN-I", fold=0).value == 1.0
    assert of(found, "pr_area", "mean", label="TDE").n == 3


def test_a_score_that_no_model_has_has_no_mean_and_says_why():
    only = {0: scores(["a", "b"], [SN, SN], [0, 0])}
    found = measured(models=only)
    mean = of(found, "b_confidence", "mean")
    assert (mean.value, mean.n, mean.reason) == (None, 0, "a class it averages over has no object")
    assert not [a for a in found if a.aggregate == "std"]


@pytest.mark.parametrize(
    "models", [MODELS, {0: MODELS[0]}, {1: MODELS[1]}], ids=["three models", "one model", "one class missing"]
)
@pytest.mark.parametrize("part", ["validation", "untouched"])
def test_a_number_without_an_interval_says_why(models, part):
    attention = {"SN": np.array([[0.5, 0.1]]), "TDE": np.array([[np.nan, 0.1]])}
    found = measured(part, attention=attention, temperature=2.0, models=models)
    bare = [a for a in found if not np.all(np.isfinite(np.array([a.measure.ci_low, a.measure.ci_high], dtype=float)))]
    assert bare
    assert [a for a in bare if not a.measure.reason] == []
    assert [a for a in found if a not in bare and a.measure.reason] == []


def test_a_mean_over_one_model_says_that_it_is_of_one():
    mean = of(measured(models={0: MODELS[0]}), "macro_confidence", "mean")
    assert (mean.ci_low, mean.n) == (None, 1)
    assert mean.reason == "no interval: only 1 of 1 models has a value, so that nothing says how much models differ"


def test_one_model_is_said_to_be_closest_to_the_mean_and_the_others_how_far():
    found = measured()
    said = [(a.fold, a.measure.metric) for a in found if a.measure.metric in ("is_closest_to_mean", "distance_to_mean")]
    assert [fold for fold, _ in said] == [0, 1, 2]
    assert [metric for _, metric in said].count("is_closest_to_mean") == 1
    of_each = {a.fold: a.measure for a in found if a.measure.metric in ("is_closest_to_mean", "distance_to_mean")}
    assert min(of_each.values(), key=lambda m: m.value).metric == "is_closest_to_mean"
    assert [m.n for m in of_each.values()] == [3, 2, 3]


def test_a_temperature_is_told_and_applied_and_without_one_it_is_not():
    found = measured(temperature=2.0)
    assert of(found, "temperature").value == 2.0
    error, softened = of(found, "calibration_error"), of(found, "calibration_error_with_temperature")
    assert (error.n, softened.n) == (7, 7)
    assert error.value != softened.value
    assert error.ci_low <= error.ci_high
    assert not [a for a in measured() if "temperature" in a.measure.metric]


def test_attention_is_its_mean_and_what_it_exceeds_the_area_by():
    found = measured(attention={"TDE": np.array([[0.5, 0.1], [0.7, 0.3]])})
    assert of(found, "attention_on_source", label="TDE").value == pytest.approx(0.6)
    assert of(found, "attention_above_area", label="TDE").value == pytest.approx(0.4)
    assert of(found, "attention_above_area", label="TDE").n == 2


@pytest.mark.parametrize(("n_rare", "is_told"), [(9, False), (10, True)])
def test_rates_of_fewer_than_ten_untouched_objects_are_withheld_and_counts_are_not(n_rare, is_told):
    y = [0] * 12 + [1] * n_rare + [2] * 12
    model = {0: scores([f"o{k:02}" for k in range(len(y))], [[SN, SLSN, TDE][k] for k in y], y)}
    found = measured("untouched", models=model)
    purity = of(found, "purity", label="SLSN-I", threshold=0.5)
    assert (purity.value == 1.0) is is_told
    assert (purity.reason is None) is is_told
    assert (of(found, "b_confidence").value is not None) is is_told
    assert (of(found, "macro_confidence").value is not None) is is_told
    assert of(found, "purity", label="TDE", threshold=0.5).value == 1.0
    assert all(a.measure.value is not None for a in found if a.measure.metric.startswith(("n_covered", "n_as_")))
    assert of(measured(models=model), "purity", label="SLSN-I", threshold=0.5).value == 1.0


def test_what_is_withheld_says_how_many_there_are_and_are_needed():
    model = {0: scores(["a", "b", "c"], [SN, SLSN, TDE], [0, 1, 2])}
    found = measured("untouched", models=model)
    assert of(found, "b_confidence").reason == "only 1 SLSN-I and 1 TDE in the untouched set, 10 needed; see validation"
    assert of(found, "macro_confidence").reason.startswith("only 1 SN and 1 SLSN-I and 1 TDE in")


@pytest.mark.parametrize(
    ("labels", "sources", "expected"),
    [
        ("aaaabbbb", "xxxxyyyy", 1.0),
        ("aabb" * 10, "xyxy" * 10, 0.0),
        ("aaaa", "xyxy", 0.0),
        ("abab", "xxxx", 0.0),
        ("abc" * 20, "xyz" * 20, 1.0),
    ],
)
def test_an_association_is_one_where_one_gives_the_other_away_and_nought_where_not(labels, sources, expected):
    assert association(list(labels), list(sources)) == pytest.approx(expected, abs=1e-9)


def test_an_association_is_corrected_for_chance_by_hand():
    labels, sources = ["a"] * 60 + ["b"] * 40, ["x"] * 45 + ["y"] * 15 + ["x"] * 10 + ["y"] * 30
    phi2 = (45 * 30 - 15 * 10) ** 2 / (60 * 40 * 55 * 45) - 1 / 99
    assert association(labels, sources) == pytest.approx(np.sqrt(phi2 / (2 - 1 / 99 - 1)))
