"""What the ablations compare, as data (paper, section 6.4 and Appendix B)."""

import re
from dataclasses import dataclass, replace

from needle_assets.errors import NeedleError


@dataclass(frozen=True)
class Ablation:
    """
    One way to make a training set and a loss.

    Parameters
    ----------
    name : str
        As it is asked for and stored.
    has_images : bool
        Stamps and features (NEEDLE-TH, NEEDLE-T), or features alone.
    is_masked : bool
        Masked stamps, or stamps as observed.
    is_upsampled : bool
        With synthetic samples of the rare classes.
    n_synthetic : int or None
        How many per class; None: as many as the settings draw.
    is_focal : bool
        Focal loss, or class-weighted cross-entropy.
    is_trees : bool
        Gradient-boosted trees instead of a network: what the features allow, as the measure of every network.
    is_stacked : bool
        The mean of a network and of trees on the same features.
    is_early : bool
        Trained on objects as of several moments of their rise, instead of their classification epoch alone.
    """

    name: str
    has_images: bool
    is_masked: bool
    is_upsampled: bool
    n_synthetic: int | None = None
    is_focal: bool = True
    is_trees: bool = False
    is_stacked: bool = False
    is_early: bool = False


ABLATIONS = (
    Ablation("unmasked", has_images=True, is_masked=False, is_upsampled=False),
    Ablation("masked", has_images=True, is_masked=True, is_upsampled=False),
    Ablation("masked_upsampled", has_images=True, is_masked=True, is_upsampled=True),
    Ablation("masked_upsampled_ce", has_images=True, is_masked=True, is_upsampled=True, is_focal=False),
    Ablation("metadata", has_images=False, is_masked=False, is_upsampled=False),
    Ablation("metadata_upsampled", has_images=False, is_masked=False, is_upsampled=True),
    Ablation("metadata_early", has_images=False, is_masked=False, is_upsampled=False, is_early=True),
    Ablation("trees", has_images=False, is_masked=False, is_upsampled=False, is_trees=True),
    Ablation("trees_upsampled", has_images=False, is_masked=False, is_upsampled=True, is_trees=True),
    Ablation("trees_early", has_images=False, is_masked=False, is_upsampled=False, is_trees=True, is_early=True),
    Ablation("stacked", has_images=False, is_masked=False, is_upsampled=False, is_stacked=True),
    Ablation("stacked_early", has_images=False, is_masked=False, is_upsampled=False, is_stacked=True, is_early=True),
)
_BY_NAME = {ablation.name: ablation for ablation in ABLATIONS}


class UnknownAblationError(NeedleError):
    """A name that is no ablation; the message lists those that are."""


def ablation_named(name: str) -> Ablation:
    """
    The ablation of a name; a number at the end is another up-sampling number, as in ``masked_upsampled_50``.

    Raises
    ------
    UnknownAblationError
        For any other name.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    numbered = re.fullmatch(r"(.*)_(\d+)", name)
    if numbered and numbered[1] in _BY_NAME and _BY_NAME[numbered[1]].is_upsampled:
        return replace(_BY_NAME[numbered[1]], name=name, n_synthetic=int(numbered[2]))
    known = ", ".join(_BY_NAME)
    raise UnknownAblationError(f"{name!r} is no ablation; choose among {known}, or add a number as in masked_upsampled_50.")
