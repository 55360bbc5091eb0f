"""Which class NEEDLE gives a spectroscopic type: one table, and what it does not know has no class."""

import re
import unicodedata

from needle_assets.labels import SLSN, SN, TDE
from needle_assets.landing.values import shown

# Types as they are left by _plain. The authors map types one by one too; SLSN-II and stripped-envelope supernovae are SN with them.
_SUPERNOVAE = (
    *("ia", "ia91t", "ia91tlike", "ia91bg", "ia91bglike", "ia99aa", "ia99aalike", "ia03fg", "ia03fglike", "ia02cx", "ia02cxlike"),
    *("iapec", "ianorm", "ianormal", "iasc", "iacsm", "iax", "iax02cxlike", "iacarich"),
    *("i", "ib", "ic", "ib/c", "ibc", "ibpec", "icpec", "ib/cpec", "icbl", "ibn", "icn", "ibn/icn", "ien", "carichca"),
    *("ibcarich", "iccarich", "ib/ccarich", "ipec", "ii", "iip", "iil", "iin", "iib", "iipec", "iippec", "iinpec", "iibpec"),
    *("iisl", "iislsn", "iinsl", "iinslsn", "slsnii", "slsniin", "slsniil"),
    *("ifaint", "irapid"),
)
_HYDROGEN_POOR_SUPERLUMINOUS = ("slsni", "slsnib", "slsnic", "islsn", "ibslsn", "icslsn", "isl", "icsl")
_DISRUPTIONS = (
    "tde",
    "tdeh",
    "tdehe",
    "tdehhe",
    "tdebowen",
    "tdehbowen",
    "tdehebowen",
    "tdehhebowen",
    "tdefeatureless",
    "tdeftless",
)
# What is surely none of the three classes. "NUC", "SLSN-R" and "NA/Unknown" of the Transient Name Server say too little and stand nowhere.
_OTHERS = (
    *("nova", "classicalnova", "lbv", "lrn", "ilrt", "agn", "qso", "blazar", "cv", "star", "varstar", "variablestar", "flare"),
    *("impostor", "imposter", "snimpostor", "snimposter", "snr", "carich", "gap", "galaxy", "other"),
    *("mdwarf", "pn", "wr", "wrwc", "wrwn", "wrwo", "kilonova", "afterglow", "fbot", "felt", "lightecho", "frb", "gapi", "gapii"),
    *("stdspec", "impostorsn"),
)

# "SN" may stand before the subtype of a supernova, or be left out.
_CLASS_OF: dict[str, str] = {
    "sn": SN,
    "strippedenvelope": SN,
    **{prefix + name: SN for name in _SUPERNOVAE for prefix in ("", "sn")},
    **{prefix + name: SLSN for name in _HYDROGEN_POOR_SUPERLUMINOUS for prefix in ("", "sn")},
    **dict.fromkeys(_DISRUPTIONS, TDE),
}


def label_of(object_type: str | None) -> tuple[str | None, str | None]:
    """
    The class NEEDLE gives a spectroscopic type, as BTS or the Transient Name Server spells it, and why there is none.

    Returns
    -------
    label : 'SN', 'SLSN-I', 'TDE' or None
    reason : str or None
        None where there is a label.

    Notes
    -----
    Upper and lower case, blanks, hyphens and brackets do not matter, nor whether "SN" stands before the subtype: "SN Ia",
    "Ia" and "SNIa" are one type. A type with a question mark is not certain and has no label, whatever the type. SLSN-II and
    "SN II-SL" are SN, hydrogen-poor ones ("SLSN-I", "SN Ic-SLSN") SLSN-I; SLSN-I.5 and bare SLSN are neither. The authors map the
    TDE subtypes one by one as well, and stop at those they do not know.
    """
    if object_type is None or not object_type.strip():
        return None, "the catalogue has no type"
    if "?" in object_type:
        return None, f"type {shown(object_type)} is not certain"
    plain = _plain(object_type)
    if plain in _CLASS_OF:
        return _CLASS_OF[plain], None
    if is_known_otherwise(object_type):
        return None, f"type {shown(object_type)} is neither supernova nor tidal disruption event"
    return None, f"type {shown(object_type)} is not in the table of types"


def is_type_known(object_type: str | None) -> bool:
    """Whether a type is certain, and known to be one of the three classes or something else."""
    return object_type is not None and (label_of(object_type)[0] is not None or is_known_otherwise(object_type))


def is_known_otherwise(object_type: str) -> bool:
    """Whether the type is known to be something else than the three classes, such as a nova."""
    return _plain(object_type) in _OTHERS


def _plain(object_type: str) -> str:
    """Lower case, without blanks and the marks that part a type; dot and slash stay: SLSN-I.5 is no SLSN-I, "Ic/SLSN" two types."""
    return re.sub(r"[\s\-\u2010-\u2015_()\[\]+]", "", unicodedata.normalize("NFKC", object_type).lower())
