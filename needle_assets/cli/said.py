"""What the commands print where no JSON was asked for: the results of the verbs as text."""

from typing import Any

from needle_assets.home import Home

MOST_TOLD = 20


MAX_TOLD = 20  # messages put aside


def simulated(result: dict[str, Any]) -> str:
    """What ``needle simulate`` wrote."""
    labels = ", ".join(f"{count} {label}" for label, count in result["labels"].items())
    return (
        f"{result['folder']}: {result['objects']} simulated objects ({labels}), {result['packets']} packets "
        f"({result['new_packets']} new), {result['detections']} detections; the truth is in truth/."
    )


def fetched(result: dict[str, Any]) -> str:
    """What ``needle fetch`` got, and each failure."""
    new = ", ".join(f"{result[name]} {name}" for name in ("objects", "packets", "detections", "hosts") if result[name])
    lines = [f"{result['source']}: {new or 'nothing new'}{_in_requests(result)} ({result['seconds']:.1f} s)"]
    return "\n".join([*lines, *(f"  failed: {failure}" for failure in result["failures"]), *_aside(result)])


def _in_requests(result: dict[str, Any]) -> str:
    """How often a service was asked; a stream is not."""
    return "" if result["source"] == "kafka" else f" in {result['requests']} requests"


def _aside(result: dict[str, Any]) -> list[str]:
    """What else is to be known: messages of a stream that are no packets, the first of them with the reason."""
    aside = result["aside"]
    told = [f"  kept aside: {one['what']}: {one['reason']}" for one in aside[:MAX_TOLD]]
    if aside:
        told.append(f"  {len(aside)} messages are no usable packets; they are kept, and the next refresh says of each why.")
    return told + [f"  {note}" for note in result["notes"]]


def what_is_missing(result: dict[str, Any]) -> str:
    """Why a fetch is not complete."""
    return str(result["stopped"] or f"{len(result['failures'])} failures, {result['left']} left")


def refreshed(result: dict[str, Any]) -> str:
    """Every product with its counts, the files, what is published, and the night."""
    from needle_assets.warehouse.landed.files import as_lines

    lines = [f"{'product':<24}{'computed':>10}{'up to date':>12}{'rejected':>10}{'seconds':>9}"]
    for table, done in result["assets"].items():
        lines.append(f"{table:<24}{done['computed']:>10}{done['up_to_date']:>12}{done['rejected']:>10}{done['seconds']:>9.1f}")
    lines += as_lines(result["files"])
    earlier = {name: result["files"][f"{name}_in_all"] - len(result["files"][name]) for name in ("refused", "unread")}
    if any(count > 0 for count in earlier.values()):
        lines.append(
            f"  from runs before: {earlier['refused']} refused, {earlier['unread']} not read; `needle status` names them."
        )
    lines += [f"  warning: {sentence}" for sentence in result["warnings"]]
    new = f", {result['new_objects']} new" if result["new_objects"] else ""
    published = result["published"] or "nothing, see below"
    lines.append(f"{result['objects']} objects{new}. Published: {published} ({result['seconds']:.1f} s)")
    if "night" in result:
        from needle_assets.pipeline.night import as_text

        lines.append(as_text(result["night"]))
    return "\n".join(lines)


def trained_folds(result: dict[str, Any]) -> str:
    """How many classifiers were trained, and what must stand beside their scores."""
    rate = f", {result['samples_per_second']:.0f} samples/s in each process" if result["samples_per_second"] else ""
    lines = [f"{result['trained']} models trained, {result['up_to_date']} up to date ({result['seconds']:.0f} s{rate})"]
    return "\n".join(
        [
            *lines,
            *result["not_trained"],
            result["other_model"],
            *result["warnings"],
            f"Published: {result['published'] or 'nothing, see below'}",
        ]
    )


def trained_quality(result: dict[str, Any]) -> str:
    """How many quality checkers were trained, and which is chosen."""
    if result["not_trained"]:
        return str(result["not_trained"])
    return (
        f"{result['trained']} quality checkers trained on {result['n_images']} good images, {result['up_to_date']} up to date "
        f"({result['seconds']:.0f} s). "
        + (result["not_chosen"] or f"{result['chosen']} is chosen, and `needle refresh` scores with it.")
    )


def kept_copies(found: list[dict[str, Any]], home: Home) -> str:
    """What can be restored."""
    lines = [f"{c['written_at']}  {c['size_bytes'] / 1e6:>9.1f} MB  {c['file']}  ({c['kind']})" for c in found]
    return "\n".join([*lines, f"Copies lie in {home.backups}." if found else f"{home.path} holds nothing that can be restored."])


def restored(result: dict[str, Any]) -> str:
    """What is the working warehouse now."""
    before = f" What was there before lies in {result['replaced']}." if result["replaced"] else ""
    return (
        f"{result['restored']} is the working warehouse now: {result['objects']} objects, {result['models']} models, "
        f"{result['nights']} nights.{before} `needle refresh` brings it up to date."
    )


def stands(result: dict[str, Any]) -> str:
    """How a home stands: what is stale, missing, refused, blocked or waiting."""
    from needle_assets.warehouse.landed.files import as_lines

    lines = [f"{result['objects']} objects in {result['home']}, filled from {result['landing'] or 'nothing yet'}"]
    for title in ("stale", "missing", "rejections"):
        found = ", ".join(f"{name} {count}" for name, count in result[title].items() if count)
        lines.append(f"{title}: {found or 'none'}")
    lines += [f"blocked: {sentence}" for sentence in result["blocked"].values()]
    lines += [f"warning: {sentence}" for sentence in result["warnings"]]
    lines += as_lines(result["files"])
    waiting = ", ".join(name for name, count in result["on_demand"].items() if count)
    if waiting:
        lines.append(f"on demand: {waiting}; `needle train` brings them up to date, or `needle refresh --select NAME`.")
    if result["unread_files"]:
        lines.append(f"{result['unread_files']} files of the landing folder are new or changed; `needle refresh` reads them.")
    behind = result["behind"]
    if behind["n_models"]:
        since = ", ".join(f"{behind[name]} {name}" for name in ("added", "changed", "removed"))
        lines.append(
            f"models: {behind['n_behind']} of {behind['n_models']} are behind ({since} objects since); `needle train` trains them."
        )
    lines += [f"{key} = {value}" for key, value in _flat(result.get("settings", {})).items()]
    return "\n".join(lines)


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def exported_training_set(result: dict[str, Any]) -> str:
    """What was written, and where."""
    rows = ", ".join(f"{n} {name}" for name, n in result["rows"].items())
    return f"{result['folder']}: {rows} in {result['n_files']} files ({result['n_bytes'] / 1e6:.1f} MB). Its README.md is the data card."


def exported_model(result: dict[str, Any]) -> str:
    """What was written, and where."""
    models = ", ".join(f"{n} of {kind}" for kind, n in result["models"].items())
    return f"{result['folder']}: models {models}. Its README.md is the model card."


def imported(result: dict[str, Any]) -> str:
    """What a new home holds now."""
    n, identity = result["rows"]["objects"], result["training_set_id"][:12]
    return f"{result['home']} holds {n} labelled objects of training set {identity}; `needle train` trains on them."


def told(result: dict[str, Any]) -> str:
    """What was sent, or would be."""
    left_out = f", {result['simulated']} simulated ones stay here" if result["simulated"] else ""
    stands = f"of {result['candidates']} candidates {result['unchanged']} are unchanged{left_out}"
    if result["is_live"]:
        lines = [f"{result['destination']}: {result['sent']} messages sent; {stands}."]
        return "\n".join([*lines, *(f"  failed: {failure}" for failure in result["failures"][:MOST_TOLD])])
    due = [_message(message) for message in result["messages"]]
    more = [f"  and {len(due) - MOST_TOLD} more; --json shows all of them in full."] if len(due) > MOST_TOLD else []
    first = f"{result['destination']}: {len(due)} messages would be sent; {stands}. Nothing was sent: that takes --live."
    return "\n".join([first, *due[:MOST_TOLD], *more])


def _message(message: dict[str, Any]) -> str:
    """A message in one line: Lasair's form, or a record."""
    from needle_assets.fetch.sending.messages import explanation

    words = message["explanation"] if "explanation" in message else explanation(message)
    return f"  {message.get('objectId') or message['object_id']}  {message['classification']}  {words}"
