"""Rows in, figures out, as the JSON that Plotly draws: built by hand, as its Python objects take longer to import than a page to make."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from needle_assets.light_curves.light_curve import ZEROPOINT_MAG
from needle_assets.surveys.looks import in_order, look_of
from needle_assets.warehouse.pages.listing import P_OF

Rows = list[dict[str, Any]]
CLASS_COLOURS = {"SN": "#4a5568", "SLSN-I": "#6b3fa0", "TDE": "#0b6fb8"}
_AXIS = {"gridcolor": "#e3e7ec", "zeroline": False, "linecolor": "#9aa5b1", "ticks": "outside"}


def flux(mag: float | None, *, is_positive: bool = True) -> float | None:
    """AB magnitude to microjansky; negative where the source faded."""
    return None if mag is None else math.pow(10.0, -0.4 * (mag - ZEROPOINT_MAG)) * (1 if is_positive else -1)


def light_curve(told: dict[str, Any], *, in_flux: bool) -> dict[str, Any]:
    """Detections of both signs, limits, forced points, cleaned epochs and the Gaussian process with its band of 1 sigma."""
    bands = in_order({row["band"] for rows in ("detections", "limits", "forced", "cleaned") for row in told[rows]})
    data = [trace for band in bands for trace in _of_band(told, band, in_flux=in_flux)]
    epoch = told["epochs"].get("classification_mjd")
    shapes = [_line(epoch)] if epoch else []
    title = "flux [µJy]" if in_flux else "AB magnitude"
    return _figure(data, "MJD", title, is_reversed=not in_flux, shapes=shapes, notes=[_note(epoch)] if epoch else [])


def _of_band(told: dict[str, Any], band: str, *, in_flux: bool) -> Iterable[dict[str, Any]]:
    yield from _process(told["gp"], told["cleaned"], band, in_flux=in_flux)
    cleaned = [row for row in told["cleaned"] if row["band"] == band]
    if cleaned:
        yield _points(cleaned, band, f"{band} cleaned", "circle", in_flux=in_flux, size=7)
    for is_positive, symbol, name in ((True, "circle-open", "detected"), (False, "x-thin-open", "faded")):
        found = [row for row in told["detections"] if row["band"] == band and row["is_positive"] == is_positive]
        if found:
            yield _points(found, band, f"{band} {name}", symbol, in_flux=in_flux, size=9)
    forced = [row for row in told["forced"] if row["band"] == band]
    if forced:
        yield _forced(forced, band, in_flux=in_flux)
    limits = [row for row in told["limits"] if row["band"] == band]
    if limits:
        y = [flux(row["mag_limit"]) if in_flux else row["mag_limit"] for row in limits]
        yield {
            **_trace([row["mjd"] for row in limits], y, f"{band} limit", band),
            "marker": {"symbol": "triangle-down", "size": 6, "color": look_of(band).colour, "opacity": 0.55},
        }


def _points(rows: Rows, band: str, name: str, symbol: str, *, in_flux: bool, size: int) -> dict[str, Any]:
    mags = [row["mag"] for row in rows]
    errors = [row["mag_err"] for row in rows]
    y: list[float | None] = mags
    if in_flux:
        y = [flux(row["mag"], is_positive=row.get("is_positive", True)) for row in rows]
        errors = [None if f is None or e is None else abs(f) * e * math.log(10) / 2.5 for f, e in zip(y, errors, strict=True)]
    marker = {
        "symbol": symbol,
        "size": size,
        "color": look_of(band).colour,
        "line": {"width": 1.4, "color": look_of(band).colour},
    }
    bars = {"type": "data", "array": errors, "thickness": 1, "width": 0, "color": look_of(band).colour}
    return {**_trace([row["mjd"] for row in rows], y, name, band), "marker": marker, "error_y": bars}


def _forced(rows: Rows, band: str, *, in_flux: bool) -> dict[str, Any]:
    values = [row["flux_microjansky"] for row in rows]
    y = (
        values
        if in_flux
        else [_mag(f) if f and f > 3 * row["flux_err_microjansky"] else None for f, row in zip(values, rows, strict=True)]
    )
    marker = {"symbol": "square-open", "size": 5, "color": look_of(band).colour, "opacity": 0.6}
    return {**_trace([row["mjd"] for row in rows], y, f"{band} forced", band), "marker": marker}


def _mag(flux_microjansky: float) -> float:
    return ZEROPOINT_MAG - 2.5 * math.log10(flux_microjansky)


def _process(gp: dict[str, Any], cleaned: Rows, band: str, *, in_flux: bool) -> Iterable[dict[str, Any]]:
    others = {row["band"]: (row["mag"], row["mag_err"]) for row in gp.get("other_curves") or ()}
    mags, errors = others.get(band, (gp.get(f"mag_{band}"), gp.get(f"mag_err_{band}")))
    if not mags or not errors or not cleaned:
        return
    first = min(row["mjd"] - row["days_since_first"] for row in cleaned)
    days = [first + day for day in gp["days_since_first"]]
    low, middle, high = ([_shown(m, sign * e, in_flux=in_flux) for m, e in zip(mags, errors, strict=True)] for sign in (-1, 0, 1))
    plain = {"mode": "lines", "hoverinfo": "skip", "showlegend": False, "legendgroup": band}
    yield {
        "x": [*days, *days[::-1]],
        "y": [*low, *high[::-1]],
        **plain,
        "fill": "toself",
        "fillcolor": _faint(look_of(band).colour),
        "line": {"width": 0},
    }
    yield {
        "x": days,
        "y": middle,
        **plain,
        "showlegend": True,
        "name": f"{band} process",
        "line": {"width": 1.6, "color": look_of(band).colour},
    }


def _shown(mag: float | None, shift: float | None, *, in_flux: bool) -> float | None:
    if mag is None or shift is None:
        return None
    return flux(mag + shift) if in_flux else mag + shift


def _faint(colour: str) -> str:
    return f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.15)"


def scores(history: Rows) -> dict[str, Any]:
    """Probabilities through time, with their scatter over the models."""
    data = []
    for label, name in P_OF.items():
        bars = {"type": "data", "array": [row.get(f"{name}_std") for row in history], "thickness": 1, "width": 3}
        data.append(
            {
                **_trace([row["as_of_mjd"] for row in history], [row[name] for row in history], label, label),
                "mode": "lines+markers",
                "error_y": bars,
                "line": {"color": CLASS_COLOURS[label]},
            }
        )
    figure = _figure(data, "MJD", "probability")
    figure["layout"]["yaxis"]["range"] = [-0.02, 1.02]
    return figure


def quick(columns: Sequence[str], rows: Sequence[Sequence[Any]], x: int, y: int) -> dict[str, Any]:
    """Two columns of an answer against each other."""
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [row[x] for row in rows],
        "y": [row[y] for row in rows],
        "marker": {"size": 6, "color": "#0b6fb8", "opacity": 0.7},
    }
    return _figure([trace], columns[x], columns[y])


def _trace(x: Sequence[Any], y: Sequence[Any], name: str, group: str) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers", "x": list(x), "y": list(y), "name": name, "legendgroup": group}


def _line(mjd: float) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": mjd,
        "x1": mjd,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"dash": "dot", "width": 1.5, "color": "#333"},
    }


def _note(mjd: float) -> dict[str, Any]:
    return {
        "x": mjd,
        "y": 1,
        "yref": "paper",
        "text": "classified here",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "font": {"size": 11},
    }


def _figure(
    data: list[dict[str, Any]],
    x: str,
    y: str,
    *,
    is_reversed: bool = False,
    shapes: Sequence[Any] = (),
    notes: Sequence[Any] = (),
) -> dict[str, Any]:
    layout = {
        "margin": dict(l=56, r=12, t=22, b=44),  # noqa: C408 - r is the right side here, not a band
        "xaxis": {**_AXIS, "title": {"text": x}, "tickformat": "d" if x == "MJD" else ""},
        "yaxis": {**_AXIS, "title": {"text": y}, **({"autorange": "reversed"} if is_reversed else {})},
        "legend": {"font": {"size": 11}},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1c2733"},
        "hovermode": "closest",
        "shapes": list(shapes),
        "annotations": list(notes),
    }
    return {"data": data, "layout": layout}
