"""What others are told of a candidate: the record that goes to a webhook or a file, and Lasair's form. Values in, values out."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from needle_assets.landing.values import finite_or_none
from needle_assets.settings import SendSettings

FORM = "needle_assets candidate 1"
UNCLEAR = "unclear"
# What Lasair's server takes of each field (its ZTF and its Rubin instance, the smaller of the two).
MAX_CLASSIFICATION, MAX_VERSION, MAX_EXPLANATION, MAX_CLASSDICT, MAX_URL = 80, 16, 1024, 4096, 1024
# Lasair puts texts between quotes of an SQL statement as they come, and shows them on a page.
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 .,:;()\[\]+*/%=_~?!-]")
_PROBABILITIES = {"SN": "p_sn", "SLSN-I": "p_slsn", "TDE": "p_tde"}


def classification(candidate: Mapping[str, Any], threshold: float) -> str:
    """The class whose probability is at least ``threshold``, the most likely of them; ``unclear`` if there is none."""
    best = max(_PROBABILITIES, key=lambda label: candidate[_PROBABILITIES[label]])
    return best if candidate[_PROBABILITIES[best]] >= threshold else UNCLEAR


def is_changed(candidate: Mapping[str, Any], told: Mapping[str, Any] | None, settings: SendSettings) -> bool:
    """
    Whether a candidate differs from what was told of it (None: nothing).

    Warnings alone do not count, because they hold numbers that every epoch moves.
    """
    if told is None:
        return True
    differs = any(abs(candidate[name] - told[name]) >= settings.min_change for name in _PROBABILITIES.values())
    is_other = classification(candidate, settings.threshold) != told["classification"]
    return differs or is_other or set(candidate["against"]) != set(told["against"])


def record(
    candidate: Mapping[str, Any], told: Mapping[str, Any] | None, settings: SendSettings, destination: str
) -> dict[str, Any]:
    """
    Everything that is said of a candidate, as plain values; NaN and what is not known are None.

    ``message_id`` is a hash of the rest, of ``destination``, and through ``previous`` of the message before: the same state told again
    after an interruption has the same id, and a score that came back to an earlier value has another.
    """
    said = {
        "format": FORM,
        "object_id": candidate["object_id"],
        **_known(candidate, "survey", "iau_name", "other_ids", "ra_deg", "dec_deg", "redshift", "is_simulated"),
        "classification": classification(candidate, settings.threshold),
        "probabilities": {label: round(candidate[name], 6) for label, name in _PROBABILITIES.items()},
        "scatter": {"SLSN-I": finite_or_none(candidate["p_slsn_std"]), "TDE": finite_or_none(candidate["p_tde_std"])},
        "against": {"names": candidate["against"], "reasons": candidate["reasons"]},
        **_known(candidate, "warnings", "as_of_mjd", "first_above_half_mjd", "days_since_first", "n_det_g", "n_det_r"),
        **_known(candidate, "peak_mag_g", "peak_mag_r", "separation_arcsec", "host_r_mag"),
        "models": _known(candidate, "ablation", "model_kind", "n_models", "model_set"),
        "url": page_of(candidate["object_id"], settings),
        "previous": told
        and {**_known(told, "message_id", "classification", "as_of_mjd"), **_known(told, *_PROBABILITIES.values())},
    }
    named = json.dumps([destination, said], sort_keys=True, allow_nan=False)
    return {"message_id": hashlib.sha256(named.encode()).hexdigest()[:32], **said}


def _known(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: finite_or_none(row[name]) for name in names}


def page_of(object_id: str, settings: SendSettings) -> str:
    """The address of the page about an object; empty without one."""
    return settings.page.replace("{object_id}", object_id)


def annotation(said: Mapping[str, Any], topic: str) -> dict[str, str]:
    """
    A record as the fields of Lasair's ``POST /annotate/``: topic, objectId, classification, version, explanation, classdict, url.

    Texts are cut to what Lasair's server takes and hold no quotes, backslashes or markup. An annotation takes the place of the one
    before of the same object and topic.
    """
    return {
        "topic": topic,
        "objectId": said["object_id"],
        "classification": plain(said["classification"], MAX_CLASSIFICATION),
        "version": plain(f"needle-{said['models']['model_set']}", MAX_VERSION),
        "explanation": plain(explanation(said), MAX_EXPLANATION),
        "classdict": _class_dictionary(said),
        "url": "" if len(said["url"]) > MAX_URL else re.sub(r"[^!-~]|['\"\\<>]", "", said["url"]),
    }


def _class_dictionary(said: Mapping[str, Any]) -> str:
    """Numbers for queries at Lasair; the names of reasons go first where there are too many."""
    numbers = {label: round(value, 4) for label, value in said["probabilities"].items()}
    more = {"as_of_mjd": round(said["as_of_mjd"], 5), "n_against": len(said["against"]["names"])}
    against = dict.fromkeys(said["against"]["names"], 1)
    text = json.dumps({**numbers, **more, **against})
    return text if len(text) <= MAX_CLASSDICT else json.dumps({**numbers, **more})


def explanation(said: Mapping[str, Any]) -> str:
    """A record in one or two sentences, what speaks against the object and what to beware of included."""
    chances = ", ".join(f"{label} {value:.2f}" for label, value in said["probabilities"].items())
    epochs = f"{said['n_det_g']} g and {said['n_det_r']} r epochs, {said['days_since_first']:.0f} d after the first"
    parts = [
        f"NEEDLE: {chances} as of MJD {said['as_of_mjd']:.2f} ({epochs}).",
        _listed("Against it", said["against"]["reasons"]),
        _listed("Beware", said["warnings"]),
    ]
    return " ".join(part for part in parts if part)


def _listed(title: str, sentences: Sequence[str]) -> str:
    return f"{title}: {'; '.join(sentences)}." if sentences else ""


def plain(text: str, n_characters: int) -> str:
    """Text without quotes, backslashes, markup and what is not ASCII, and not longer than that."""
    return _NOT_PLAIN.sub("?", text)[:n_characters]
