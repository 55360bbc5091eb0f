"""The published warehouse in a notebook: questions in SQL, a light curve, stamps, and a training set in torch.

marimo edit notebooks/explore.py     in a browser
python notebooks/explore.py          without one
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="NEEDLE's warehouse")


@app.cell
def _():
    import duckdb
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import torch

    from needle_assets.home import Home
    from needle_assets.light_curves.features import HOSTLESS_FEATURES

    return HOSTLESS_FEATURES, Home, duckdb, mo, np, plt, torch


@app.cell
def _(Home, duckdb, mo):
    published = Home.from_environment().published
    warehouse = duckdb.connect(str(published), read_only=True)
    mo.md(
        f"""
        # NEEDLE's warehouse

        `{published}`, read-only: nothing here changes it, and no refresh waits for it. `NEEDLE_HOME` names another home.
        This notebook keeps the version that it opened; run this cell again to see what was published since.
        """
    )
    return (warehouse,)


@app.cell
def _(mo, warehouse):
    classes = mo.sql(
        """
        select coalesce(label, 'none') as label, count(*) as objects, round(median(brightest_mag), 1) as median_brightest_mag,
            round(median(n_detections), 0) as median_detections
        from core.objects group by 1 order by objects desc
        """,
        engine=warehouse,
    )
    return (classes,)


@app.cell
def _(mo, warehouse):
    refused = mo.sql(
        "select stage, reason, count(*) as n from core.rejections group by all order by n desc limit 10",
        engine=warehouse,
    )
    return (refused,)


@app.cell
def _(mo, warehouse):
    ids = [row[0] for row in warehouse.execute("select object_id from core.gp_fits order by n_points desc, object_id").fetchall()]
    chosen = mo.ui.dropdown(ids, value=ids[0], label="object")
    chosen
    return (chosen,)


@app.cell
def _(chosen, mo, warehouse):
    light_curve = mo.sql(
        f"""
        select band, days_since_first, mag, mag_err from core.light_curves
        where object_id = '{chosen.value}' order by band, days_since_first
        """,
        engine=warehouse,
        output=False,
    )
    gaussian_process = warehouse.execute("from core.gp_fits where object_id = $id", {"id": chosen.value}).pl()
    return gaussian_process, light_curve


@app.cell
def _(chosen, gaussian_process, light_curve, plt):
    figure, axes = plt.subplots(figsize=(8, 4))
    days = gaussian_process["days_since_first"][0].to_numpy()
    for band, colour in (("g", "tab:green"), ("r", "tab:red")):
        points = light_curve.filter(light_curve["band"] == band)
        axes.errorbar(
            points["days_since_first"], points["mag"], points["mag_err"], fmt="o", ms=4, color=colour, label=f"{band}, cleaned"
        )
        mag, error = (gaussian_process[f"{name}_{band}"][0] for name in ("mag", "mag_err"))
        if mag is not None:
            axes.fill_between(days, (mag - error).to_numpy(), (mag + error).to_numpy(), color=colour, alpha=0.2)
    axes.invert_yaxis()
    axes.set(title=chosen.value, xlabel="days since the first detection", ylabel="AB magnitude")
    axes.legend()
    figure
    return


@app.cell
def _(plt, np, warehouse):
    pairs = warehouse.execute(
        "select object_id, label, science, reference from core.masked_stamps join core.splits using (object_id) order by object_id limit 4"
    ).fetchall()
    shown, places = plt.subplots(2, max(len(pairs), 1), figsize=(2.2 * max(len(pairs), 1), 4.6), squeeze=False)
    for column, (object_id, label, *images) in enumerate(pairs):
        places[0, column].set_title(f"{label}\n{object_id}", fontsize=8)
        for row, pixels in enumerate(images):
            image = np.array(pixels, dtype=float).reshape(60, 60)
            low, high = np.nanpercentile(image, [5, 99])
            places[row, column].imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high)
            places[row, column].set_axis_off()
    shown
    return


@app.cell
def _(mo):
    mo.md(
        """
        ## A training set in torch

        Stamps (masked science and reference), features and class of every labelled object that has a usable pair; a feature
        that could not be measured is NaN. `core.splits` says which objects are validated together, and which nobody may look at.
        """
    )
    return


@app.cell
def _(HOSTLESS_FEATURES, np, torch, warehouse):
    rows = warehouse.execute(
        f"""
        select object_id, label, {", ".join(HOSTLESS_FEATURES)}, science, reference
        from core.features join core.splits using (object_id) join core.masked_stamps using (object_id)
        order by object_id
        """
    ).fetchnumpy()
    labels = ("SN", "SLSN-I", "TDE")
    features = torch.tensor(
        np.stack([np.ma.filled(rows[name], np.nan) for name in HOSTLESS_FEATURES], axis=1), dtype=torch.float32
    )
    stamps = torch.tensor(np.stack([np.stack(list(rows[name])).reshape(-1, 60, 60) for name in ("science", "reference")], axis=1))
    classes_of = torch.tensor([labels.index(label) for label in rows["label"]])
    training_set = torch.utils.data.TensorDataset(stamps, features, classes_of)
    return labels, training_set


@app.cell
def _(labels, mo, torch, training_set):
    batch = next(iter(torch.utils.data.DataLoader(training_set, batch_size=8)))
    counted = torch.bincount(training_set.tensors[2], minlength=len(labels)).tolist()
    summary = ", ".join(f"{n} {label}" for label, n in zip(labels, counted, strict=True))
    print(
        f"{len(training_set)} objects: {summary}; a batch holds stamps {tuple(batch[0].shape)}, features {tuple(batch[1].shape)}"
    )
    mo.md(
        f"{len(training_set)} objects: {summary}. A batch: stamps `{tuple(batch[0].shape)}`, features `{tuple(batch[1].shape)}`."
    )
    return


if __name__ == "__main__":
    app.run()
