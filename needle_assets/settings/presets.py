"""What each preset sets otherwise than ``default``."""

from typing import Any

# Each preset lists only what differs from `default`: {section: {key: value}}.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "light_curves": {"merge_in_flux": False, "outlier_method": "residual"},
        "gaussian_process": {"flux_error_floor": 0.0, "is_error_scale_fitted": False, "max_days_after_peak": 3000.0},
        "restoration": {"method": "paper", "restored_threshold": 0.5, "min_own_fraction": 1.0},
        "masking": {"clip": "eq3", "noise": "eq3", "grow_px": 0, "is_outside_host_kept": False},
        "synthetic": {
            "cadence": "observed",
            "is_depth_own": False,
            "sampled_days_after_peak": 5.0,
            "is_thinned": True,
            "is_posterior_drawn": False,
            "turns": "any",
        },
        "vetting": {"max_age_days": 60.0},
        "training": {
            "schedule": "early_stopping",
            "epochs": 150,
            "n_members": 1,
            "batch_size": 32,
            "patience": 150,
            "learning_rate": 8e-5,
            "weight_decay": 0.0,
            "is_augmented": False,
            "class_weights": "focal_alpha",
            "feature_scaling": "standard",
            "feature_weights": "sum_one",
        },
    },
    "needle2": {
        "light_curves": {"merge_in_flux": False, "outlier_method": "residual"},
        "gaussian_process": {
            "background": "biweight",
            "flux_error_floor": 0.0,
            "is_error_scale_fitted": False,
            "max_days_since_first": 300.0,
            "max_days_after_peak": 3000.0,
        },
        "quality": {"good_threshold": 0.5},
        "restoration": {"method": "needle2", "restored_threshold": 0.8, "min_own_fraction": 1.0},
        "masking": {"method": "needle2"},
        "splits": {"scheme": "holdouts"},
        "synthetic": {
            "cadence": "daily",
            "is_depth_own": False,
            "sampled_days_after_peak": 5.0,
            "is_thinned": True,
            "is_posterior_drawn": False,
            "turns": "any",
            "is_self_allowed": True,
        },
        "vetting": {"max_age_days": 60.0},
        "training": {
            "schedule": "early_stopping",
            "epochs": 150,
            "n_members": 1,
            "batch_size": 32,
            "patience": 150,
            "learning_rate": 8e-5,
            "weight_decay": 0.0,
            "is_augmented": False,
            "class_weights": "focal_alpha",
            "feature_scaling": "standard",
            "feature_weights": "sum_one",
        },
    },
    "demo": {
        "splits": {"n_folds": 3},
        "synthetic": {"n_per_class": 60},
        "training": {
            "ablations": ("unmasked", "masked", "masked_upsampled", "metadata_upsampled", "trees"),
            "epochs": 12,
        },
        "metrics": {"n_bootstrap": 200},
        "checker": {"epochs": 2, "max_training_images": 320, "batch_size": 16},
    },
}
