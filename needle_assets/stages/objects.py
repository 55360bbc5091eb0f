"""What is made of one object at a time: stamps and light curve, judged, repaired, masked and fitted, up to the features."""

from needle_assets.stages.stage import Picture, Stage
from needle_assets.surveys.known import SURVEYS

POSITIONS = ("target_x_px", "target_y_px", "host_x_px", "host_y_px")

_CHECKER = ("model_id", "model_kind", "is_chosen", "weights")

STAGES: tuple[Stage, ...] = (
    Stage(
        table="core.stamps",
        compute="needle_assets.assets.stamps:stamps",
        reads={
            "landing.packets": ("sha256",),
            "raw.alerts": ("candid", "jd", "fid", "ra", "dec", "xpos", "ypos", "path", "member"),
            "core.hosts": ("host_ra_deg", "host_dec_deg"),
        },
        code_version="2",
        is_bulk=True,
        keeps_previous=True,
        chunk_rows=256,
        group="images",
        kinds=("duckdb", "fits"),
        picture=Picture(
            "needle_assets.assets.pictures.montage:stamps",
            {
                "core.stamps": (
                    "candid",
                    "band",
                    "mjd",
                    "science",
                    "reference",
                    "target_x_px",
                    "target_y_px",
                    "host_x_px",
                    "host_y_px",
                )
            },
        ),
    ),
    Stage(
        table="core.turned_stamps",
        compute="needle_assets.assets.turned_stamps:turned_stamps",
        reads={"landing.packets": ("sha256",)},
        is_bulk=True,
        keeps_previous=True,
        chunk_rows=256,
        group="images",
        kinds=("duckdb", "fits"),
        surveys=tuple(survey.name for survey in SURVEYS.values() if survey.has_turned_stamps),
        counts={"good": "is_good", "bad": "not is_good"},
    ),
    Stage(
        table="core.field_images",
        compute="needle_assets.assets.field_images:field_images",
        reads={
            "landing.field_images": ("path", "band", "sha256"),
            "raw.objects": ("ra_deg", "dec_deg"),
            "raw.alerts": ("ra", "dec"),
            "core.hosts": ("host_ra_deg", "host_dec_deg"),
        },
        settings=("masking", "seed"),
        keeps_previous=True,
        group="images",
        kinds=("duckdb", "fits"),
        counts={"with a host": "host_state = 'found'"},
    ),
    Stage(
        table="core.light_curves",
        compute="needle_assets.assets.light_curves:light_curves",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "raw.objects": ("a_v_mag",),
            "core.identities": ("a_v_mag",),
            "core.extinction": ("a_v_mag",),
        },
        settings=("light_curves",),
        group="light_curves",
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:light_curve",
            {"core.light_curves": ("band", "days_since_first", "mag", "mag_err")},
        ),
    ),
    Stage(
        table="core.epochs",
        compute="needle_assets.assets.light_curves:epochs",
        # In a home of one survey no identity is there, and what is not there makes nothing stale.
        reads={
            "core.light_curves": ("band", "mjd", "last_mjd", "mag", "mag_err"),
            "raw.objects": ("label",),
            "core.identities": ("label",),
        },
        settings=("epochs",),
        group="light_curves",
    ),
    Stage(
        table="core.stamp_quality",
        compute="needle_assets.assets.images:stamp_quality",
        reads={"core.stamps": ("candid", "band", "science", "reference"), "results.quality_models": _CHECKER},
        settings=("quality",),
        code_version="4",
        group="images",
        is_bulk=True,
        chunk_rows=256,
        counts={"good": "is_good", "bad": "not is_good"},
        picture=Picture(
            "needle_assets.assets.pictures.images:stamp_quality",
            {"core.stamps": ("candid", "science", "reference"), "core.stamp_quality": ("candid", "image", "is_good", "reasons")},
        ),
    ),
    Stage(
        table="core.restored_stamps",
        compute="needle_assets.assets.images:restored_stamps",
        reads={
            "core.stamps": ("candid", "band", "mjd", "science", "reference", "target_x_px", "target_y_px"),
            "core.stamp_quality": ("candid", "image", "is_good", "reasons"),
            "results.quality_models": _CHECKER,
        },
        settings=("quality", "restoration", "seed"),
        code_version="5",
        group="images",
        is_bulk=True,
        chunk_rows=256,
        counts={"recycled": "is_accepted", "refused_after_repair": "not is_accepted"},
        picture=Picture(
            "needle_assets.assets.pictures.images:restored_stamps",
            {"core.stamps": ("candid", "science", "reference", *POSITIONS), "core.restored_stamps": ("*",)},
        ),
    ),
    Stage(
        table="core.masks",
        compute="needle_assets.assets.images:masks",
        reads={
            "core.stamps": ("candid", "science", "reference", *POSITIONS),
            "core.stamp_quality": ("candid", "image", "is_good"),
            "core.restored_stamps": ("candid", "image", "pixels", "is_accepted"),
        },
        settings=("masking",),
        code_version="2",
        group="images",
        chunk_rows=256,
        picture=Picture(
            "needle_assets.assets.pictures.images:masks",
            {"core.stamps": ("candid", "science", "reference", *POSITIONS), "core.masks": ("candid", "mask", "replaced")},
        ),
    ),
    Stage(
        table="core.masked_stamps",
        compute="needle_assets.assets.images:masked_stamps",
        reads={
            "core.stamps": ("candid", "band", "mjd", "science", "reference", *POSITIONS),
            "core.stamp_quality": ("candid", "image", "is_good"),
            "core.restored_stamps": ("candid", "image", "pixels", "is_accepted"),
            "core.masks": ("candid", "mask", "replaced", "is_blended", "touches_border"),
            "core.epochs": ("classification_mjd",),
            "core.detections": ("candid", "mag", "is_positive"),
        },
        settings=("masking", "seed"),
        group="images",
        chunk_objects=64,
        picture=Picture("needle_assets.assets.pictures.images:masked_stamps", {"core.masked_stamps": ("*",)}),
    ),
    Stage(
        table="core.nightly_fluxes",
        compute="needle_assets.assets.forced_photometry:nightly_fluxes",
        reads={
            "core.light_curves": ("mjd",),
            "core.forced_photometry": ("mjd", "band", "flux_microjansky", "flux_err_microjansky", "is_suspect"),
            "raw.objects": ("a_v_mag",),
            "core.identities": ("a_v_mag",),
            "core.extinction": ("a_v_mag",),
        },
        settings=("gaussian_process", "light_curves"),
        group="light_curves",
        is_bulk=True,
    ),
    Stage(
        table="core.gp_fits",
        compute="needle_assets.assets.light_curves:gp_fits",
        # No flux is there unless the settings say so, and what is not there makes nothing stale.
        reads={
            "core.light_curves": ("band", "days_since_first", "mag", "mag_err"),
            "core.nightly_fluxes": ("band", "days_since_first", "flux_microjansky", "flux_err_microjansky"),
        },
        settings=("gaussian_process", "epochs"),
        group="light_curves",
        is_bulk=True,
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:gp_fit",
            {
                "core.light_curves": ("band", "days_since_first", "mag", "mag_err"),
                "core.gp_fits": ("is_usable", "reasons", "bands", "days_since_first", "mag_g", "mag_r", "mag_err_g", "mag_err_r"),
                "raw.objects": ("redshift",),
            },
        ),
    ),
    Stage(
        table="core.features",
        compute="needle_assets.assets.light_curves:features",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "core.epochs": ("classification_mjd",),
            "core.hosts": ("separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag", "is_hosted"),
            "raw.objects": ("a_v_mag", "redshift"),
            "core.identities": ("a_v_mag",),
            "core.extinction": ("a_v_mag",),
        },
        settings=("features", "light_curves"),
        group="light_curves",
    ),
    Stage(
        table="core.early_features",
        compute="needle_assets.assets.early:early_features",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "core.epochs": ("first_mjd", "classification_mjd"),
            "core.hosts": ("separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag", "is_hosted"),
            "raw.objects": ("a_v_mag", "redshift", "label"),
            "core.identities": ("a_v_mag",),
            "core.extinction": ("a_v_mag",),
        },
        settings=("features", "light_curves", "early"),
        group="light_curves",
    ),
    Stage(
        table="core.vetting",
        compute="needle_assets.assets.vetting:vetting",
        reads={
            "raw.alerts": (
                *("jd", "rb", "drb", "ssdistnr", "ndethist", "jdstarthist", "sgscore1", "distpsnr1"),
                *("sgmag1", "srmag1", "simag1", "szmag1", "neargaiabright", "maggaiabright"),
            ),
            "core.detections": ("is_positive",),
            "core.light_curves": ("mjd", "last_mjd", "mag"),
        },
        settings=("vetting",),
        group="light_curves",
    ),
)
