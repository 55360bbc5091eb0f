"""Which objects a run asks for, and in which order."""

from collections.abc import Collection

from needle_assets.fetch.around import FetchError
from needle_assets.fetch.run import Run
from needle_assets.landing.values import shown
from needle_assets.surveys.survey import Survey
from needle_assets.surveys.ztf import ZTF

UNIX_EPOCH_MJD = 40587.0
_NONE_KNOWN = "no objects are known; fetch the catalogue first (needle fetch bts) or name objects."


def want_objects(run: Run, ids: Collection[str] | None, survey: Survey = ZTF) -> tuple[str, ...]:
    """
    The objects of a survey to ask for: those given, else those of the catalogue and followed ones that are due, never-asked ones first.

    An object is due if it was never asked for, if something of it failed or was not there, if it is active (peak or newest
    detection within the last ``active_days``) and was not asked for lately, or if it was not asked for in a long time. The run
    counts what becomes of them.

    Raises
    ------
    FetchError
        If an id is none, or no object is known.
    """
    run.wanted = _in_order(run, survey) if ids is None else tuple(sorted({_checked(object_id, survey) for object_id in ids}))
    return run.wanted


def _in_order(run: Run, survey: Survey) -> tuple[str, ...]:
    peaks: dict[str, float | None] = dict.fromkeys(run.folder.followed(survey))
    peaks |= {row["object_id"]: row["peak_mjd"] for row in run.folder.catalogue() if survey.has_id(row["object_id"])}
    if not peaks:
        raise FetchError(
            _NONE_KNOWN
            if survey is ZTF
            else f"no object like {survey.id_example} is known; write such ids into follow.txt, or name them."
        )
    due = [object_id for object_id, peak_mjd in peaks.items() if _is_due(run, object_id, peak_mjd)]
    asked = {object_id: float(run.state["objects"].get(object_id, {}).get("asked", 0.0)) for object_id in due}
    return tuple(sorted(due, key=lambda object_id: (asked[object_id], -(peaks[object_id] or 0.0), object_id)))


def _is_due(run: Run, object_id: str, peak_mjd: float | None) -> bool:
    known, wants = run.state["objects"].get(object_id, {}), run.settings.fetch
    if "asked" not in known or known.get("again"):
        return True
    newest = max(peak_mjd or 0.0, known.get("newest_mjd") or 0.0)
    is_active = newest > run.around.clock() / 86400 + UNIX_EPOCH_MJD - wants.active_days
    pause_hours = wants.ask_again_hours if is_active else 24 * wants.ask_old_again_days
    return bool(run.around.clock() - known["asked"] >= 3600 * pause_hours)


def _checked(object_id: str, survey: Survey) -> str:
    if not survey.has_id(object_id):
        raise FetchError(f"the object id is {shown(object_id)}, an id like {survey.id_example} is needed.")
    return object_id
