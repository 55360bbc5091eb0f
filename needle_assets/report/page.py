"""`needle report`: the paper's tables and figures from the published warehouse as one HTML page that needs nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.pictures.images import quality_models
from needle_assets.assets.pictures.light_curves import classes
from needle_assets.figures import metrics as pictures
from needle_assets.figures import samples as sample_pictures
from needle_assets.figures.stamps import stretched
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.report import paper_numbers, processing
from needle_assets.report.pieces import Heading, Note, Piece, picture, rendered, table
from needle_assets.samples.realism import FAILED_FROM
from needle_assets.warehouse import exploring, questions
from needle_assets.warehouse.results.quality_models import CHECKERS

FILE_NAME = "needle_report.html"
MOST_ROWS = 60
RARE = LABELS[1:]


@dataclass(frozen=True)
class Warehouse:
    """The published warehouse and what a page needs to know of it first."""

    path: Path
    n_objects: int
    n_simulated: int

    @classmethod
    def opened(cls, path: Path) -> "Warehouse":
        """Look at a published file. Raises WarehouseError if there is none."""
        n_objects, n_simulated = exploring.ask(path, questions.objects_held())[1][0]
        return cls(path, n_objects, n_simulated)

    def frame(self, query: str) -> pl.DataFrame:
        """Rows of a query."""
        return exploring.frame(self.path, query)

    def named(self, name: str) -> pl.DataFrame:
        """Rows of a query of ``warehouse/queries``."""
        return self.frame(questions.query_named(name))


def write_report(published_file: Path, folder: Path) -> Path:
    """
    Write the page; returns its path.

    Raises
    ------
    WarehouseError
        If nothing was published yet.
    """
    warehouse = Warehouse.opened(published_file)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    partial = path.with_suffix(".partial")
    partial.write_text(page(warehouse), encoding="utf-8")
    partial.replace(path)
    return path


def page(warehouse: Warehouse) -> str:
    """The whole page."""
    sections = [(title, list(draw(warehouse))) for title, draw in SECTIONS]
    counts = {"n_objects": warehouse.n_objects, "n_simulated": warehouse.n_simulated}
    return rendered(sections=sections, source=paper_numbers.SOURCE, **counts)


# -- sections --------------------------------------------------------------------------------------------------------


def _checkers(warehouse: Warehouse) -> Iterator[Piece]:
    models = warehouse.frame(CHECKERS)
    if len(models) == 0:
        return
    yield picture(quality_models(models))
    yield Note("Good images held out by object, each as it is and damaged on purpose in kinds that were never trained on.")
    if not models["is_chosen"].any():
        yield Note("Neither is good enough to be used: the rules alone decide.")


def _untouched(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("table_5")
    yield table(rows) if len(rows) else Note("No object of the untouched window has data here.")
    yield Note("The paper's untouched set (Table 5):")
    printed = [(label, hosted, hostless, hosted + hostless) for label, (hosted, hostless) in paper_numbers.TABLE_5.items()]
    yield table(pl.DataFrame(printed, schema=["label", "hosted", "hostless", "total"], orient="row"))
    yield Note("Its Figure 19 counts 2,350 hosted SN where Table 5 has 2,391; the paper does not say why.")


def _caveats(warehouse: Warehouse) -> Iterator[Piece]:
    for row in warehouse.frame(questions.WARNINGS_BY_SET).iter_rows(named=True):
        yield Note(f"{row['ablation']}, {row['set']}: {row['warning']}")
    for reason in warehouse.frame(questions.NOT_TRAINED)["reason"]:
        yield Note(reason)
    yield Note(
        "Under the schedule early_stopping validation parts decided when training stopped, so their numbers are a little too good."
    )


def _table_7(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("table_7")
    if len(rows) == 0:
        return
    yield table(_mean_and_std(rows))
    yield Note("The paper's Table 7, mean and standard deviation over ten models:")
    printed = [
        (part, ablation, *(f"{mean:.3f} ± {std:.3f}" for mean, std in values.values()))
        for (part, ablation), values in paper_numbers.TABLE_7.items()
    ]
    yield table(pl.DataFrame(printed, schema=["set", "ablation", "macro_confidence", "b_confidence", "b_entropy"], orient="row"))
    yield Note(
        "Its b-entropy behaves like our b_entropy_l1, twice one minus the probability of the true class. Other objects, other folds: "
        "only the direction from one ablation to the next can be compared."
    )


def _mean_and_std(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns ``x_mean`` and ``x_std`` as one text; null where the mean is, and without a deviation where one model has a value."""
    names = [column.removesuffix("_mean") for column in rows.columns if column.endswith("_mean")]
    return rows.select(
        "set", "ablation", *(_with_std(pl.col(f"{name}_mean"), pl.col(f"{name}_std")).alias(name) for name in names)
    )


def _with_std(mean: pl.Expr, std: pl.Expr) -> pl.Expr:
    return pl.coalesce(pl.format("{} ± {}", mean.round(3), std.round(3)), pl.format("{} (one model)", mean.round(3)))


def _curves(warehouse: Warehouse) -> Iterator[Piece]:
    for name, label in (("figure_17", "SLSN-I"), ("figure_18", "TDE")):
        yield from _threshold_figures(warehouse.named(name), label)


def _threshold_figures(rows: pl.DataFrame, label: str) -> Iterator[Piece]:
    for (part, kind), found in sorted(rows.partition_by("set", "model_kind", as_dict=True).items(), key=str, reverse=True):
        known = found.filter(pl.col("value").is_not_null())
        title = f"{label}, {part}, NEEDLE-{kind}"
        if len(known) == 0:
            reasons = found["reason"].drop_nulls()
            yield Note(f"{title}: {reasons[0] if len(reasons) else 'no values'}.")
            continue
        panels = {
            str(metric[0]): {
                str(a[0]): _curve(curve) for a, curve in sorted(of_metric.partition_by("ablation", as_dict=True).items())
            }
            for metric, of_metric in sorted(known.partition_by("metric", as_dict=True).items())
        }
        yield picture(pictures.threshold_curves(panels, title=title))


def _curve(rows: pl.DataFrame) -> pictures.Curve:
    ordered = rows.sort("threshold")
    return pictures.Curve(
        *(ordered[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("threshold", "value", "ci_low", "ci_high"))
    )


def _matrices(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("figure_19")
    for (part, ablation, kind), found in rows.partition_by(
        "set", "ablation", "model_kind", as_dict=True, maintain_order=True
    ).items():
        panels = {
            f"{'maximum' if threshold == 0 else threshold}": _matrix(of_threshold)
            for (threshold,), of_threshold in found.partition_by("threshold", as_dict=True, maintain_order=True).items()
        }
        yield Heading(f"{part}, {ablation}, NEEDLE-{kind}")
        yield picture(pictures.confusion_matrices(panels, LABELS))
    yield Note("The paper's Figure 19, one NEEDLE-TH model on its untouched set:")
    printed = {"maximum" if threshold == 0 else str(threshold): np.array(m) for threshold, m in paper_numbers.FIGURE_19.items()}
    yield picture(pictures.confusion_matrices(printed, LABELS))
    yield Note(
        "At 0.8 that is a purity of 3/4 (SLSN-I, interval 0.19 to 0.99) and 6/14 (TDE, 0.18 to 0.71); of all objects 3/10 and 6/15 are "
        "found, of those covered 3/4 and 6/9, which are the abstract's 75 % and 66 %."
    )


def _matrix(rows: pl.DataFrame) -> np.ndarray:
    """Counts, true class by predicted one in the order of LABELS; a class without a row has no objects."""
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    for true, *predicted in rows.select("true_class", pl.col("as_sn", "as_slsn", "as_tde").fill_null(0)).iter_rows():
        counts[LABELS.index(true)] = predicted
    return counts


def _focal_loss(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("figure_20")
    if rows["ablation"].n_unique() < 2:
        yield Note("Compared once both are trained: needle train folds --ablations masked_upsampled,masked_upsampled_ce.")
        return
    for label in RARE:
        yield from _threshold_figures(rows.filter(pl.col("class") == label).with_columns(model_kind=pl.lit("TH")), label)


def _precision_recall(warehouse: Warehouse) -> Iterator[Piece]:
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for (label, ablation), rows in (
        warehouse.frame(questions.PRECISION_RECALL).partition_by("class", "ablation", as_dict=True, maintain_order=True).items()
    ):
        panels.setdefault(str(label), {})[str(ablation)] = (rows["completeness"].to_numpy(), rows["purity"].to_numpy())
    if panels:
        yield picture(pictures.precision_recall_curves(panels))
    yield table(warehouse.frame(questions.PRECISION_RECALL_AREAS))


def _calibration(warehouse: Warehouse) -> Iterator[Piece]:
    found = warehouse.frame(questions.RELIABILITY).partition_by("ablation", as_dict=True, maintain_order=True).items()
    curves = {str(key[0]): (rows["confidence"].to_numpy(), rows["accuracy"].to_numpy()) for key, rows in found}
    if curves:
        yield picture(pictures.reliability_diagram(curves))
    yield table(warehouse.frame(questions.CALIBRATION))


def _synthetic(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("figure_16")
    points: dict[str, dict[str, Any]] = {}
    for (label, kind), found in rows.partition_by("label", "kind", as_dict=True, maintain_order=True).items():
        values = tuple(found[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("redshift", "peak_mag_r"))
        points.setdefault(str(label), {})[str(kind)] = values
    if points:
        yield picture(sample_pictures.redshift_magnitude(points))
    yield from _recognisability(warehouse)


def _recognisability(warehouse: Warehouse) -> Iterator[Piece]:
    yield Note(
        "Can a classifier tell synthetic samples from real ones of their class? 0.5 = not at all; from 0.65 on they have failed."
    )
    told = warehouse.frame(questions.REALISM)
    areas = {" ".join(row[:3]): row[3:6] for row in told.iter_rows()}
    if areas:
        yield picture(sample_pictures.recognisability_bars(areas, FAILED_FROM))
    yield table(told)


def _early(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("early")
    if not len(rows):
        yield Note(
            "No model without stamps has judged objects as of several moments yet; needle train folds makes and judges them."
        )
        return
    for grouped_by, title in (("age", "days after discovery"), ("detections", "clean epochs")):
        areas = rows.filter((pl.col("metric") == "pr_area") & (pl.col("grouped_by") == grouped_by))
        yield picture(pictures.early_curves(_early_panels(areas, title)))
    yield table(rows.filter((pl.col("grouped_by") == "all") | (pl.col("metric") != "pr_area")), is_wide=True)
    yield Note("Validated objects, by models that were not trained on them; a class's share decides what area chance would give.")


def _early_panels(areas: pl.DataFrame, title: str) -> dict[str, dict[str, tuple[list[str], pictures.Curve]]]:
    panels: dict[str, dict[str, tuple[list[str], pictures.Curve]]] = {}
    for (label, ablation), found in sorted(areas.partition_by("class", "ablation", as_dict=True).items(), key=str):
        placed = found.with_columns(threshold=pl.int_range(pl.len()).cast(pl.Float64))
        panels.setdefault(f"{label}, {title}", {})[str(ablation)] = (found["part"].to_list(), _curve(placed))
    return panels


def _light_curves(warehouse: Warehouse) -> Iterator[Piece]:
    frames = {name: warehouse.frame(query) for name, query in questions.MOST_POINTS.items()}
    if len(frames["core.gp_fits"]):
        yield picture(classes(frames))
        yield Note("Those with most points of each class: cleaned detections, and the Gaussian process through them.")


def _attention(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.named("attention")
    if not len(rows):
        return
    yield Note(
        "Where the last convolution looks, of one validated object of each class, by the first model of each ablation; a stamp stays grey "
        "where no pixel speaks for the class:"
    )
    looked = _looked_at(warehouse)
    if looked:
        yield picture(pictures.attention_panels(looked))
    yield Note("The share of attention on transient and host, over all validated objects, and how far it exceeds their pixels:")
    yield table(rows)
    yield Note("The paper shows this as pictures only (Figure 12).")


def _looked_at(warehouse: Warehouse) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Science stamp and attention by object and ablation: of each class the object that its class's probability is highest for."""
    from needle_assets.assets.models import attention_of, stamp_pair, stamps_by_object
    from needle_assets.samples.ablations import ablation_named

    found = warehouse.frame(questions.STAMPS_OF_EXAMPLES)
    objects = (
        warehouse.frame(questions.EXAMPLES)
        .join(warehouse.frame(questions.FEATURES_OF_EXAMPLES), on="object_id")
        .join(found, on="object_id", how="semi")
    )
    if objects.is_empty():
        return {}
    stamps, models = stamps_by_object(found), warehouse.frame(questions.FIRST_MODELS)
    looked: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for model in models.iter_rows(named=True):
        is_masked = ablation_named(model["ablation"]).is_masked
        for row, attention in zip(objects.iter_rows(named=True), attention_of(model, objects, stamps), strict=True):
            stamp = stretched(stamp_pair(stamps[row["object_id"]], is_masked=is_masked)[..., 0])
            looked.setdefault(f"{row['label']} {row['object_id']}", {})[model["ablation"]] = (
                np.clip(stamp, -2.0, 6.0),
                attention,
            )
    return looked


def _training(warehouse: Warehouse) -> Iterator[Piece]:
    rows = warehouse.frame(questions.TRAININGS)
    curves: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {}
    for row in rows.iter_rows(named=True):
        history = (np.array(row["history_training_loss"]), np.array(row["history_validation_loss"]), row["best_epoch"])
        curves.setdefault(f"{row['ablation']} {row['model_kind']}", []).append(history)
    if curves:
        yield picture(pictures.training_history(curves))
    weights = [
        row["feature_weights"][: len(HOSTED_FEATURES)]  # a mask of what is missing comes after the features
        for row in rows.iter_rows(named=True)
        if len(row["feature_weights"]) >= len(HOSTED_FEATURES) and len(row["history_training_loss"])
    ]
    if weights:
        ranking = sample_pictures.feature_ranking(HOSTED_FEATURES, np.array(weights))
        yield Heading("What weighs in the features (Figure 2)")
        yield picture(ranking)
        yield Note("The paper ranks offset and host magnitudes first, then rise time and contrast to the host, then colours.")
    models = warehouse.named("models")
    if len(models):
        yield table(models, is_wide=True)


def _query(name: str, empty: str) -> Callable[[Warehouse], Iterator[Piece]]:
    def draw(warehouse: Warehouse) -> Iterator[Piece]:
        rows = warehouse.named(name)
        yield table(rows.head(MOST_ROWS), is_wide=True) if len(rows) else Note(empty)
        if len(rows) > MOST_ROWS:
            yield Note(f"The first {MOST_ROWS} of {len(rows)} rows; all of them: needle sql -f warehouse/queries/{name}.sql.")

    return draw


SECTIONS: Sequence[tuple[str, Callable[[Warehouse], Iterator[Piece]]]] = (
    ("What to know first", _caveats),
    ("Table 3: images of the quality checker", _query("table_3", "No quality checker has been trained.")),
    ("Figures 5 and 6: the quality checkers", _checkers),
    ("Table 5: the untouched set", _untouched),
    ("Figure 1: features that go together", processing.features),
    ("Figure 7: repaired images", processing.repairs),
    ("Figures 8 to 11: masked pairs", processing.masks),
    ("Figures 13 and 14: light curves seen from other redshifts", processing.resampled),
    ("Light curves of the classes", _light_curves),
    ("Table 7: confidence of the ablations", _table_7),
    ("Figures 17 and 18: against the threshold", _curves),
    ("Figure 19: confusion matrices", _matrices),
    ("Figure 20: focal loss or cross-entropy", _focal_loss),
    ("Purity and completeness", _precision_recall),
    ("How early", _early),
    ("Calibration", _calibration),
    ("Figure 16: synthetic samples", _synthetic),
    ("Figure 12: attention", _attention),
    ("Candidates", _query("candidates", "No unclassified object has been scored.")),
    ("Table 2: candidates that were classified later", _query("table_2", "No candidate above 0.5 has been classified since.")),
    ("Objects with stamps, case by case", _query("cases", "No labelled object has stamps.")),
    ("Models", _training),
)
