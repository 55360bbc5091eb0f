"""Numbers that the paper prints, to stand beside ours. Facts with their source, nothing computed.

Source of everything here: Sheng et al. 2025, "Attention-Based Preprocessing Framework for Improving Rare Transient
Classification" (arXiv:2512.14644), section, table or figure as named.
"""

from collections.abc import Mapping

SOURCE = "Sheng et al. 2025, arXiv:2512.14644"

# Table 5: the untouched set, (hosted, hostless).
TABLE_5: Mapping[str, tuple[int, int]] = {"SLSN-I": (10, 4), "TDE": (15, 0), "SN": (2391, 168)}

# Table 7: mean and standard deviation over ten models, by (set, ablation) and metric.
TABLE_7: Mapping[tuple[str, str], Mapping[str, tuple[float, float]]] = {
    ("validation", "unmasked"): {"macro_confidence": (0.868, 0.016), "b_confidence": (0.640, 0.012), "b_entropy": (0.727, 0.017)},
    ("validation", "masked"): {"macro_confidence": (0.878, 0.007), "b_confidence": (0.678, 0.022), "b_entropy": (0.665, 0.019)},
    ("validation", "masked_upsampled"): {
        "macro_confidence": (0.873, 0.017),
        "b_confidence": (0.734, 0.032),
        "b_entropy": (0.564, 0.039),
    },
    ("untouched", "unmasked"): {"macro_confidence": (0.874, 0.017), "b_confidence": (0.638, 0.024), "b_entropy": (0.744, 0.030)},
    ("untouched", "masked"): {"macro_confidence": (0.880, 0.007), "b_confidence": (0.674, 0.022), "b_entropy": (0.685, 0.036)},
    ("untouched", "masked_upsampled"): {
        "macro_confidence": (0.878, 0.015),
        "b_confidence": (0.746, 0.019),
        "b_entropy": (0.545, 0.023),
    },
}

# Figure 19: true class (row) against predicted class (column), SN, SLSN-I, TDE, at maximum probability (0), 0.5 and 0.8.
FIGURE_19: Mapping[float, tuple[tuple[int, int, int], ...]] = {
    0.0: ((2197, 34, 119), (5, 5, 0), (4, 0, 11)),
    0.5: ((2171, 27, 95), (4, 5, 0), (4, 0, 10)),
    0.8: ((1776, 1, 8), (1, 3, 0), (3, 0, 6)),
}
