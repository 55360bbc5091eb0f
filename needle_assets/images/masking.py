"""Keep the transient and its host, replace everything else by noise (paper, section 3.3, Eq. 4).

Positions are (x, y) = (column, row) in pixels counted from 0, as in ``core.stamps``; they need not lie inside the stamp.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.images import needle2
from needle_assets.images.noise import Sky, draw_noise, one_sided_noise, symmetric_noise
from needle_assets.images.sources import Sources, find_sources, grown, is_background, within_px
from needle_assets.settings import MaskSettings
from needle_assets.shapes import require_images

Position = tuple[float, float]

# How much of the pixels around a host outside its light must fill: it fills 0.7 to 1, sources cut by the edge mostly below 0.6.
_HOST_FILLS = 2.0 / 3.0


class SourceMask(NamedTuple):
    """
    Which pixels of a pair are kept, and how that was found.

    Parameters
    ----------
    mask : ndarray of bool, shape (ny, nx)
        True = belongs to the transient or its host (M_final of Eq. 4).
    replaced : ndarray of bool, shape (ny, nx)
        True = is overwritten by noise; the inverse of ``mask`` unless only other sources are replaced.
    n_kept : int
        Pixels set in ``mask``.
    host_state : {"none", "found", "not_detected", "outside"}
        No host is known; a cluster lies at its position; none does; its position lies outside the stamp, whether or not light of
        it reaches in.
    is_blended : bool
        The kept pixels fill more than a quarter of the stamp, or hold another peak that rivals the host.
    touches_border : bool
        A kept pixel lies on the outermost row or column: the host may be cut off.
    n_sources_removed : int
        Clusters of bright pixels, in either image, none of whose pixels is kept.
    """

    mask: NDArray[np.bool_]
    replaced: NDArray[np.bool_]
    n_kept: int
    host_state: Literal["none", "found", "not_detected", "outside"]
    is_blended: bool
    touches_border: bool
    n_sources_removed: int


class MaskedPair(NamedTuple):
    """
    Science and reference [DN] with other sources replaced, the same with all sources, and the noise of each, shape (n,).

    The masked reference and its noise are on the scale of science; the unmasked one is on its own. No pixel is missing.
    """

    science: NDArray[np.float64]
    reference: NDArray[np.float64]
    science_unmasked: NDArray[np.float64]
    reference_unmasked: NDArray[np.float64]
    science_noise: NDArray[np.float64]
    reference_noise: NDArray[np.float64]


def source_mask(
    science: NDArray[np.floating],
    reference: NDArray[np.floating],
    *,
    target_px: Position,
    host_px: Position | None = None,
    settings: MaskSettings | None = None,
) -> SourceMask:
    """
    Pixels that belong to the transient or its host.

    Parameters
    ----------
    science, reference : ndarray, shape (ny, nx), float
        The pair [DN]. Pixels that are not finite are never part of a source.
    target_px, host_px : tuple of float
        Column and row of the transient and of the host's centre [px]; None for a hostless object.
    settings : MaskSettings, optional
        Thresholds; ``default`` if left out.

    Notes
    -----
    Paper, section 3.3, step 3 and Eq. 4: M_final = M_sci | M_ref | M_fixed, with M_fixed 3 x 3 pixels at the target. The
    clusters kept are those within ``target_tolerance_px`` of the target and ``host_tolerance_px`` of the host; the authors'
    code takes the nearest cluster however far it is, puts a 6 x 6 block on target and host, and moves a host outside the
    stamp to its border. A turned pair gives the turned mask.

    The light of a host outside the stamp falls with the distance from it. So what reaches in has no peak of its own further in
    than the edge that faces the host, and covers the pixels around the host up to some distance. With ``is_outside_host_kept``
    clusters are kept that are brightest within ``rival_distance_px`` of that edge and fill two thirds of the pixels as near to
    the host as their nearer half; a fainter peak further in makes them ``is_blended``. Other clusters are neighbours: a peak
    further in is theirs, and a star cut by the edge is narrower than an outline around the host. The paper keeps the clusters
    in which target and host reside, so nothing of a host outside.
    """
    require_images(science=science, reference=reference)
    settings = settings or MaskSettings()
    if settings.method == "needle2":
        return _like_needle2(science, reference, target_px, host_px)
    places = _Places.of(science.shape, target_px, host_px, settings)
    found = [_own_clusters(image, places, settings) for image in (science, reference)]
    chosen, others = found[0].chosen | found[1].chosen, found[0].others | found[1].others
    kept = _rounded_out(chosen, others, settings.grow_px) | _fixed_mask(science.shape, target_px, host_px, settings)
    removed, n_removed = _untouched(others, kept)
    return SourceMask(
        mask=kept,
        replaced=~kept if settings.replace == "inverse" else grown(removed, 2) & ~kept,
        n_kept=int(np.count_nonzero(kept)),
        host_state=_host_state(science.shape, host_px, found[0].is_at_host or found[1].is_at_host),
        is_blended=found[0].has_rival or found[1].has_rival or bool(kept.sum() > settings.blended_fraction * kept.size),
        touches_border=bool(kept[[0, -1]].any() or kept[:, [0, -1]].any()),
        n_sources_removed=n_removed,
    )


def masked_pair(
    science: NDArray[np.floating],
    reference: NDArray[np.floating],
    replaced: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    target_px: Position | None = None,
    host_px: Position | None = None,
    settings: MaskSettings | None = None,
) -> MaskedPair:
    """
    The pair with ``replaced`` and missing pixels overwritten by noise of the same image, and the reference on science's scale.

    Parameters
    ----------
    science, reference : ndarray, shape (ny, nx), float
        The pair [DN].
    replaced : ndarray of bool, shape (ny, nx)
        Pixels to overwrite, from :func:`source_mask`.
    rng : numpy.random.Generator
        Draws the noise: first for the reference, then for science.
    target_px, host_px : tuple of float
        Needed by ``method="needle2"`` only, which leaves a block around both out of the noise; the target is in the middle pixel if
        left out.
    settings : MaskSettings, optional
        How the noise is sampled; ``default`` if left out.

    Raises
    ------
    Rejection
        If an image has no background pixel to draw from.

    Notes
    -----
    Paper, section 3.3, step 4 (replacement by samples of N_final) and the density adjustment after it. ``noise="eq3"`` draws
    from Eq. 3 as printed, which on Gaussian sky is 0.29 sigma too dark and has 0.79 of the scatter.
    """
    require_images(science=science, reference=reference, replaced=replaced)
    settings = settings or MaskSettings()
    if settings.method == "needle2":
        target_px = target_px or (science.shape[1] // 2, science.shape[0] // 2)
        reference_noise, science_noise = (needle2.background_noise(i, target_px, host_px) for i in (reference, science))
    else:
        reference_noise, science_noise = (background_noise(image, settings) for image in (reference, science))
    nothing = np.zeros_like(replaced)
    reference_unmasked = filled(reference, nothing, reference_noise, rng)
    science_unmasked = filled(science, nothing, science_noise, rng)
    masked_reference = filled(reference_unmasked, replaced, reference_noise, rng)
    masked_science = filled(science_unmasked, replaced, science_noise, rng)
    gain, offset = density_adjustment(masked_reference, masked_science)
    return MaskedPair(
        masked_science,
        masked_reference * gain + offset,
        science_unmasked,
        reference_unmasked,
        science_noise,
        reference_noise * gain + offset,
    )


def background_noise(image: NDArray[np.floating], settings: MaskSettings | None = None) -> NDArray[np.float64]:
    """Background pixels of an image, by Eq. 3 (``noise="eq3"``) or clipped evenly outside sources and their wings."""
    require_images(image=image)
    settings = settings or MaskSettings()
    if settings.noise == "eq3":
        return one_sided_noise(image, bright_sigma=settings.threshold_sigma, faint_sigma=settings.faint_sigma)
    return symmetric_noise(image, is_background(image, _sources(image, settings)))


def filled(
    image: NDArray[np.floating], replaced: NDArray[np.bool_], noise: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """The image with ``replaced`` and missing pixels drawn from ``noise``."""
    require_images(image=image, replaced=replaced)
    result = image.astype(np.float64)
    holes = replaced | ~np.isfinite(image)
    result[holes] = draw_noise(noise, int(holes.sum()), rng)
    return result


def density_adjustment(reference: NDArray[np.floating], science: NDArray[np.floating]) -> tuple[float, float]:
    """
    Factor and offset that give the reference the mean and standard deviation of science.

    Paper, section 3.3: Eq. 2 applied to whole masked images, reference' = (reference - mean_r) sigma_s / sigma_r + mean_s. The
    paper prints this with the letters of Eq. 2; this reading is that of the authors' code. A constant reference keeps its scale.
    """
    require_images(reference=reference, science=science)
    scatter = float(np.nanstd(reference, dtype=np.float64))
    gain = float(np.nanstd(science, dtype=np.float64)) / scatter if scatter > 0.0 else 1.0
    return gain, float(np.nanmean(science, dtype=np.float64)) - gain * float(np.nanmean(reference, dtype=np.float64))


class _Places(NamedTuple):
    """
    Where clusters are kept, and where peaks are the transient's or the host's own; the host's place is None without one.

    If light of a host outside is looked for, also the pixels along the edge that faces it, and the distance from it.
    """

    at_target: NDArray[np.bool_]
    at_host: NDArray[np.bool_] | None
    own: NDArray[np.bool_]
    facing: NDArray[np.bool_] | None = None
    host_distance_px: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, shape: tuple[int, ...], target_px: Position, host_px: Position | None, settings: MaskSettings) -> "_Places":
        """Discs around target and host."""
        at_target = within_px(shape, target_px, settings.target_tolerance_px + 0.5)
        own = within_px(shape, target_px, settings.rival_distance_px)
        if host_px is None:
            return cls(at_target, None, own)
        at_host = within_px(shape, host_px, settings.host_tolerance_px + 0.5)
        own = own | within_px(shape, host_px, settings.rival_distance_px)
        if _is_inside(shape, host_px) or not settings.is_outside_host_kept:
            return cls(at_target, at_host, own)
        return cls(at_target, at_host, own, _facing_edge(shape, host_px, settings.rival_distance_px), _distance(shape, host_px))


class _Clusters(NamedTuple):
    """One image's sources: those of target and host, the others, and whether host and rival were seen."""

    chosen: NDArray[np.bool_]
    others: NDArray[np.bool_]
    is_at_host: bool
    has_rival: bool


def _own_clusters(image: NDArray[np.floating], places: _Places, settings: MaskSettings) -> _Clusters:
    sources = _sources(image, settings)
    is_ours = np.zeros(sources.n + 1, bool)
    is_ours[sources.labels[places.at_target]] = True
    is_at_host = False
    if places.at_host is not None:
        labels = sources.labels[places.at_host]
        is_ours[labels] = True
        is_at_host = bool(labels.any())
    own = places.own
    if places.facing is not None and places.host_distance_px is not None:
        reaching_in = _reaching_in(image, sources, places.facing, places.host_distance_px)
        is_ours[reaching_in] = True
        own = own | places.facing if reaching_in else own
    is_ours[0] = False
    chosen = is_ours[sources.labels]
    return _Clusters(chosen, (sources.labels > 0) & ~chosen, is_at_host, _has_rival(image, sources.sky, chosen, own, settings))


def _reaching_in(
    image: NDArray[np.floating], sources: Sources, facing: NDArray[np.bool_], host_distance_px: NDArray[np.float64]
) -> list[int]:
    """Clusters that are brightest at the edge facing a host outside and lie around it, as :func:`source_mask` says."""
    smooth = _smoothed(image, sources.sky)
    found = []
    for label in np.setdiff1d(sources.labels[facing], 0):
        cluster = sources.labels == label
        as_near = host_distance_px <= np.median(host_distance_px[cluster])
        is_brightest_there = smooth[cluster & facing].max() >= smooth[cluster].max()
        if is_brightest_there and cluster[as_near].mean() >= _HOST_FILLS:
            found.append(int(label))
    return found


def _sources(image: NDArray[np.floating], settings: MaskSettings) -> Sources:
    return find_sources(
        image,
        clip=settings.clip,
        threshold_sigma=settings.threshold_sigma,
        eps_px=settings.eps_px,
        min_samples=settings.min_samples,
    )


def _rounded_out(chosen: NDArray[np.bool_], others: NDArray[np.bool_], grow_px: int) -> NDArray[np.bool_]:
    """Chosen clusters with a rim (faint edges lie below the threshold by chance) and without holes; other sources stay out."""
    if grow_px == 0 or not chosen.any():
        return chosen
    return ndimage.binary_fill_holes(chosen | (grown(chosen, grow_px) & ~others))


def _fixed_mask(
    shape: tuple[int, ...], target_px: Position, host_px: Position | None, settings: MaskSettings
) -> NDArray[np.bool_]:
    fixed = _block(shape, target_px, settings.fixed_half_width_px)
    if settings.is_host_block_kept and host_px is not None:
        fixed |= _block(shape, host_px, settings.fixed_half_width_px)
    return fixed


def _block(shape: tuple[int, ...], place_px: Position, half_width_px: int) -> NDArray[np.bool_]:
    """Rows and columns within ``half_width_px`` of the pixel that holds the place; an exact half way keeps both neighbours."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (np.abs(columns - place_px[0]) <= half_width_px + 0.5) & (np.abs(rows - place_px[1]) <= half_width_px + 0.5)


def _has_rival(
    image: NDArray[np.floating], sky: Sky, chosen: NDArray[np.bool_], ours: NDArray[np.bool_], settings: MaskSettings
) -> bool:
    """Whether the chosen clusters hold a peak, away from target and host, at least ``rival_ratio`` as high as theirs."""
    if not (chosen & ~ours).any():
        return False
    smooth = _smoothed(image, sky)
    own_peak = max(float(smooth[ours & chosen].max(initial=0.0)), settings.threshold_sigma * sky.sigma)
    peaks = chosen & ~ours & (smooth == ndimage.maximum_filter(smooth, size=5))
    return bool((smooth[peaks] >= settings.rival_ratio * own_peak).any())


def _smoothed(image: NDArray[np.floating], sky: Sky) -> NDArray[np.float64]:
    """The image above its sky, smoothed so that single noisy pixels are no peaks."""
    return ndimage.gaussian_filter(np.where(np.isfinite(image), image - sky.level, 0.0).astype(np.float64), 1.0)


def _untouched(others: NDArray[np.bool_], kept: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Clusters of ``others``, corners included, that share no pixel with ``kept``, and their number."""
    labels, n = ndimage.label(others, np.ones((3, 3), bool))
    touched = np.zeros(n + 1, bool)
    touched[labels[kept]] = True
    touched[0] = True
    return ~touched[labels], int(n + 1 - touched.sum())


def _host_state(
    shape: tuple[int, ...], host_px: Position | None, is_found: bool
) -> Literal["none", "found", "not_detected", "outside"]:
    if host_px is None:
        return "none"
    if is_found:
        return "found"
    return "not_detected" if _is_inside(shape, host_px) else "outside"


def _is_inside(shape: tuple[int, ...], place_px: Position) -> bool:
    return -0.5 <= place_px[0] < shape[1] - 0.5 and -0.5 <= place_px[1] < shape[0] - 0.5


def _distance(shape: tuple[int, ...], place_px: Position) -> NDArray[np.float64]:
    """Distance of every pixel from a place [px]."""
    dx, dy = np.arange(shape[1]) - place_px[0], np.arange(shape[0]) - place_px[1]
    return np.sqrt((dy * dy)[:, None] + dx * dx)


def _facing_edge(shape: tuple[int, ...], place_px: Position, depth_px: float) -> NDArray[np.bool_]:
    """Pixels less than ``depth_px`` from the sides beyond which a place outside lies."""
    columns, rows = np.arange(shape[1])[None, :], np.arange(shape[0])[:, None]
    x_px, y_px = place_px
    at_column = (columns < depth_px) & (x_px < -0.5) | (columns >= shape[1] - depth_px) & (x_px >= shape[1] - 0.5)
    at_row = (rows < depth_px) & (y_px < -0.5) | (rows >= shape[0] - depth_px) & (y_px >= shape[0] - 0.5)
    return at_column | at_row


def _like_needle2(
    science: NDArray[np.floating], reference: NDArray[np.floating], target_px: Position, host_px: Position | None
) -> SourceMask:
    """The authors' mask; they keep no record of blends, and a host outside is on the border for them."""
    found = needle2.source_mask(science, reference, target_px=target_px, host_px=host_px)
    return SourceMask(
        mask=found.mask,
        replaced=found.replaced,
        n_kept=int(found.mask.sum()),
        host_state="none" if host_px is None else "found",
        is_blended=False,
        touches_border=bool(found.mask[[0, -1]].any() or found.mask[:, [0, -1]].any()),
        n_sources_removed=found.n_sources_removed,
    )
