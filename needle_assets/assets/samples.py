"""Glue of the sample stages: splits and synthetic samples. No arithmetic, no SQL."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.objects import surveys_of
from needle_assets.assets.output import Product
from needle_assets.assets.stored_stamps import square
from needle_assets.errors import Rejection
from needle_assets.images.augmentation import Pair, is_complete
from needle_assets.light_curves.features import HOSTED_FEATURES, NO_HOST, Host
from needle_assets.light_curves.gaussian_process import restored_fit
from needle_assets.light_curves.light_curve import LightCurve, peak_mjd
from needle_assets.randomness import rng_for
from needle_assets.samples import splits as places
from needle_assets.samples.crossmatch import Drawing, ImageParent, LightCurveParent, Recipe, draw_recipes
from needle_assets.samples.identity import conflicts, groups
from needle_assets.settings import Settings, as_fingerprinted
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import Survey

MODEL_KINDS = ("TH", "T", "metadata")
RECIPE_VERSION = "1"


def splits(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Which labelled objects are kept untouched and which model validates on which of the others (paper, sections 6.2 and 6.3).

    An object gets its place when it first has a label and a detection up to a few days after its peak, and keeps it. Another rule
    in the settings (folds, window, ids, ``deal``) is a request to give all places anew. Ids of one object have one place; where
    they have two labels, they have none.
    """
    frames = {**frames, "raw.objects": _with_served_labels(frames)}
    same_as = _same_as(frames)
    labels = dict(frames["raw.objects"].filter(pl.col("label").is_not_null()).select("object_id", "label").iter_rows())
    disputed = conflicts(labels, same_as)
    everyone, surveys = _labelled(frames), surveys_of(frames)
    facts = everyone.filter(~pl.col("object_id").is_in(list(disputed)))
    rising = facts.filter(pl.col("n_rising_g") + pl.col("n_rising_r") > 0)
    product = Product(
        rejections=[
            *(
                _without_rise(row, surveys[row["object_id"]])
                for row in facts.join(rising, on="object_id", how="anti").iter_rows(named=True)
            ),
            *(_disputed(object_id, disputed[object_id]) for object_id in everyone["object_id"] if object_id in disputed),
        ]
    )
    rule = places.rule(settings.splits)
    known = {
        row["object_id"]: places.Place(row["is_untouched"], tuple(row["validation_of"]))
        for row in frames["core.splits"].iter_rows(named=True)
        if row["rule"] == rule
    }
    rows = rising.to_dicts()
    objects = [
        places.Labelled(row["object_id"], row["label"], row["is_hosted"], row["first_mjd"], _others(row["object_id"], same_as))
        for row in rows
    ]
    found = places.assign(objects, known, settings.splits)
    product.rows += [_split_row(row, who, found[who.object_id], rule, settings) for row, who in zip(rows, objects, strict=True)]
    return product


def _with_served_labels(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The catalogue, with the label that an id of another survey hands on; its redshift is not handed on, so it is no parent twice."""
    objects, identities = frames["raw.objects"], frames.get("core.identities")
    if identities is None or identities.is_empty():
        return objects
    served = identities.drop_nulls("label").group_by("object_id").agg(served=pl.col("label").first())
    both = objects.join(served, on="object_id", how="full", coalesce=True)
    return both.with_columns(label=pl.coalesce("label", "served")).select(objects.columns)


def _same_as(frames: Mapping[str, pl.DataFrame]) -> dict[str, tuple[str, ...]]:
    """All ids of the object that each id of the catalogue names, or that another survey gave it."""
    objects, identities = frames["raw.objects"], frames.get("core.identities")
    pairs = [] if identities is None else list(identities.select("object_id", "other_id").iter_rows())
    ra_deg, dec_deg = (objects[name].cast(pl.Float64).fill_null(math.nan).to_numpy() for name in ("ra_deg", "dec_deg"))
    return groups(objects["object_id"].to_list(), objects["iau_name"].to_list(), ra_deg, dec_deg, joined_ids=pairs)


def _others(object_id: str, same_as: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(other for other in same_as.get(object_id, ()) if other != object_id)


def _disputed(object_id: str, labels: Mapping[str, str]) -> Rejection:
    named = ", ".join(f"{label} as {name}" for name, label in labels.items())
    return Rejection(
        f"by IAU name or position (1.5 arcsec) one object has several ids and several labels ({named}); it neither trains nor judges "
        "until the catalogue gives them one label.",
        object_id=object_id,
        labels=named,
    )


def _labelled(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per labelled object with a light curve, with everything a split says of it."""
    sources = (
        frames["core.detections"]
        .group_by("object_id", "source")
        .len()
        .sort("object_id", "len", "source", descending=[False, True, False])
    )
    main = sources.group_by("object_id", maintain_order=True).first().select("object_id", main_source="source")
    pairs = frames["core.masked_stamps"].select("object_id", has_good_pair=pl.lit(value=True))
    return (
        frames["raw.objects"]
        .filter(pl.col("label").is_not_null())
        .join(frames["core.epochs"], on="object_id")
        .join(frames["core.hosts"], on="object_id", how="left")
        .join(pairs, on="object_id", how="left")
        .join(main, on="object_id", how="left")
        .with_columns(pl.col("is_hosted", "has_good_pair").fill_null(value=False))
        .sort("object_id")
    )


def _without_rise(row: Mapping[str, Any], survey: Survey) -> Rejection:
    return Rejection(
        f"no detection in {' or '.join(survey.feature_bands)} up to a few days after the peak; one is needed to train on the object "
        "or to judge by it.",
        object_id=row["object_id"],
        label=row["label"],
    )


def _split_row(
    row: Mapping[str, Any], who: places.Labelled, place: places.Place, rule: str, settings: Settings
) -> dict[str, Any]:
    in_fold = settings.splits.scheme == "folds" and place.validation_of
    return {
        **{name: row[name] for name in ("object_id", "label", "is_hosted", "has_good_pair", "main_source")},
        "has_redshift": row["redshift"] is not None,
        "identity": who.identity,
        "other_ids": list(who.other_ids),
        "is_untouched": place.is_untouched,
        "fold": place.validation_of[0] if in_fold else None,
        "validation_of": list(place.validation_of),
        "n_folds": settings.splits.n_folds,
        "rule": rule,
    }


def synthetic_samples(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Recipes of synthetic samples, exactly as many as asked of every class in every training part (paper, section 5).

    Both parents are in the training part. Samples are drawn again only where a possible parent has changed.
    """
    product, parents = Product(), _Parents.read(frames, settings)
    before = {
        key: rows.sort("sample")
        for key, rows in frames["core.synthetic_samples"].partition_by("model_kind", "fold", "label", as_dict=True).items()
    }
    reasons: dict[tuple[str, str], Rejection] = {}
    for part in _parts(frames["core.splits"], settings):
        rows = _rows_of_part(part, parents, before.get((part.model_kind, part.fold, part.label)), settings, reasons)
        product.rows += rows
    product.rejections += reasons.values()
    return product


@dataclass(frozen=True)
class _Part:
    """One class of one training part, as one kind of model uses it."""

    model_kind: str
    fold: int
    label: str
    light_curves: tuple[str, ...]
    images: tuple[str, ...]


def _parts(rows: pl.DataFrame, settings: Settings) -> Iterator[_Part]:
    among = rows.filter(~pl.col("is_untouched") & pl.col("has_redshift"))
    n_folds = int(rows["n_folds"][0]) if len(rows) else 0
    for kind in MODEL_KINDS:
        for fold in range(n_folds):
            trained = among.filter(~pl.col("validation_of").list.contains(fold))
            for label in settings.synthetic.classes:
                of_class = trained.filter(pl.col("label") == label)
                images = of_class.filter(usable_by(kind))
                if len(images):
                    yield _Part(kind, fold, label, tuple(of_class["object_id"]), tuple(images["object_id"]))


def usable_by(model_kind: str) -> pl.Expr:
    """Rows of core.splits that a kind of model can use: TH hosted ones with stamps, T hostless ones with stamps, metadata all."""
    if model_kind == "metadata":
        return pl.lit(value=True)
    return pl.col("has_good_pair") & (pl.col("is_hosted") if model_kind == "TH" else ~pl.col("is_hosted"))


@dataclass(frozen=True)
class _Parents:
    """Everything that may become a parent, by object_id, and a hash of each."""

    light_curves: Mapping[str, LightCurveParent]
    images: Mapping[str, ImageParent]
    hashes: Mapping[str, str]
    salt: str

    @classmethod
    def read(cls, frames: Mapping[str, pl.DataFrame], settings: Settings) -> "_Parents":
        wanted = frames["core.splits"].filter(
            pl.col("label").is_in(settings.synthetic.classes) & ~pl.col("is_untouched") & pl.col("has_redshift")
        )
        ids = wanted.select("object_id")
        own = {name: _by_object(frames[name].join(ids, on="object_id", how="semi")) for name in frames if name in PARENT_TABLES}
        names = wanted["object_id"].to_list()
        sections = {
            name: as_fingerprinted(settings)[name] for name in ("synthetic", "features", "epochs", "gaussian_process", "seed")
        }
        identity = dict(wanted.select("object_id", "identity").iter_rows())
        surveys = surveys_of(frames)
        light_curves = {
            name: _light_curve_parent({t: own[t].get(name) for t in own}, identity[name], surveys[name], settings)
            for name in names
        }
        return cls(
            light_curves={name: found for name, found in light_curves.items() if found is not None},
            images={name: _image_parent({t: own[t].get(name) for t in own}, identity[name], surveys[name]) for name in names},
            hashes={name: _hash([own[t][name].rows() if name in own[t] else None for t in sorted(own)]) for name in names},
            salt=RECIPE_VERSION + json.dumps(sections, sort_keys=True),
        )

    def hash_of(self, part: _Part) -> str:
        """Changes when a possible parent of the part, or a setting, does."""
        named = [[name, self.hashes[name]] for name in (*part.light_curves, "images", *part.images) if name in self.hashes]
        same = [[name, self.images[name].identity] for name in part.light_curves if self.images[name].identity != name]
        return _hash([self.salt, len(part.images), named, *same])


PARENT_TABLES = ("raw.objects", "core.light_curves", "core.gp_fits", "core.hosts", "core.masked_stamps")


def _by_object(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(key[0]): part for key, part in frame.partition_by("object_id", as_dict=True, maintain_order=True).items()}


def _hash(values: object) -> str:
    return hashlib.md5(repr(values).encode(), usedforsecurity=False).hexdigest()


def _light_curve_parent(
    own: Mapping[str, pl.DataFrame | None], identity: str, survey: Survey, settings: Settings
) -> LightCurveParent | None:
    found, objects, points = own["core.gp_fits"], own["raw.objects"], own["core.light_curves"]
    if found is None or objects is None or points is None or not found["is_usable"][0]:
        return None
    curve = LightCurve.of(*(points[column].to_numpy() for column in ("days_since_first", "band", "mag", "mag_err")))
    fit = restored_fit(
        curve,
        settings.gaussian_process,
        survey.fit_wavelength_angstrom,
        amplitude=found["amplitude"][0],
        length_scale_days=found["length_scale_days"][0],
        error_scale=found["error_scale"][0],
    )
    rise_end = peak_mjd(curve, survey.fit_bands) + settings.synthetic.sampled_days_after_peak
    return LightCurveParent(found["object_id"][0], objects["redshift"][0], survey, fit, curve, rise_end, identity)


def _image_parent(own: Mapping[str, pl.DataFrame | None], identity: str, survey: Survey) -> ImageParent:
    objects, stamps = own["raw.objects"], own["core.masked_stamps"]
    assert objects is not None
    is_whole = stamps is not None and is_complete(_outline(stamps.row(0, named=True)))
    return ImageParent(objects["object_id"][0], objects["redshift"][0], survey, _host(own["core.hosts"]), is_whole, identity)


def _outline(row: Mapping[str, Any]) -> Pair:
    mask = square(row["mask"], bool)
    nothing = np.zeros((0, 0))
    host = None if row["host_x_px"] is None else (row["host_x_px"], row["host_y_px"])
    return Pair(nothing, nothing, mask, (row["target_x_px"], row["target_y_px"]), host)


def _host(hosts: pl.DataFrame | None) -> Host:
    if hosts is None or not hosts["is_hosted"][0]:
        return NO_HOST
    row = hosts.select(pl.col("separation_arcsec", *(f"{band}_mag" for band in HOST_BANDS)).fill_null(math.nan)).row(0)
    return Host(dict(zip(HOST_BANDS, row[1:], strict=True)), separation_arcsec=row[0])


def _rows_of_part(
    part: _Part,
    parents: _Parents,
    before: pl.DataFrame | None,
    settings: Settings,
    reasons: dict[tuple[str, str], Rejection],
) -> Sequence[Mapping[str, Any]]:
    wanted, parents_hash = settings.synthetic.n_per_class, parents.hash_of(part)
    if before is not None and before["parents_hash"][0] == parents_hash and len(before) == wanted:
        return before.to_dicts()

    def seed_of(sample: int, attempt: int) -> int:
        key = ("core.synthetic_samples", part.model_kind, part.fold, part.label, sample, attempt)
        return int(rng_for(settings.seed, *key).integers(2**62))

    light_curves = [parents.light_curves[name] for name in part.light_curves if name in parents.light_curves]
    images = [parents.images[name] for name in part.images]
    drawing = Drawing(settings.synthetic, settings.features, settings.epochs.days_after_peak)
    try:
        recipes = draw_recipes(light_curves, images, wanted, seed_of, drawing)
    except Rejection as why:
        reason = f"NEEDLE-{part.model_kind}, {part.label}, fold {part.fold}: {why.reason}"
        reasons.setdefault((part.model_kind, part.label), why.also(reason))
        return []
    surveys = {name: parents.light_curves[name].survey for name in part.light_curves if name in parents.light_curves}
    return [
        _recipe_row(part, sample, recipe, surveys[recipe.light_curve_parent], parents_hash)
        for sample, recipe in enumerate(recipes)
    ]


def _recipe_row(part: _Part, sample: int, recipe: Recipe, survey: Survey, parents_hash: str) -> dict[str, Any]:
    same = (
        "light_curve_parent",
        "image_parent",
        "light_curve_redshift",
        "image_redshift",
        "seed",
        "n_attempts",
        "n_det_g",
        "n_det_r",
    )
    return {
        "model_kind": part.model_kind,
        "fold": part.fold,
        "label": part.label,
        "sample": sample,
        "bands": ",".join(survey.feature_bands),
        **{name: getattr(recipe, name) for name in same},
        "rotation_deg": recipe.orientation.angle_deg,
        "flip": recipe.orientation.is_flipped,
        "parents_hash": parents_hash,
        **recipe.features,
    }


def feature_matrix(frame: pl.DataFrame, names: Sequence[str] = HOSTED_FEATURES) -> np.ndarray:
    """Features in this order, the 33 of Table 1 if left out, shape (n, k); NaN = missing."""
    return frame.select(pl.col(names).cast(pl.Float64).fill_null(math.nan)).to_numpy()
