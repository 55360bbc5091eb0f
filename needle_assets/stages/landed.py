"""What landed, as rows, and what was observed: catalogue, packets, photometry, hosts; detections and limits."""

from needle_assets.stages.stage import Stage

_PS1_SOURCES = tuple(
    f"{name}{k}" for name in ("objectidps", "distpsnr", "sgscore", "sgmag", "srmag", "simag", "szmag") for k in (1, 2, 3)
)

STAGES: tuple[Stage, ...] = (
    Stage(
        table="raw.alerts",
        compute="needle_assets.assets.landing:alerts",
        reads={"landing.packets": ("path", "member", "sha256")},
        code_version="4",
        is_bulk=True,
        keeps_previous=True,
        chunk_rows=512,
        kinds=("duckdb", "avro"),
    ),
    Stage(
        table="raw.tns",
        compute="needle_assets.assets.tns:tns",
        reads={
            "landing.tns": ("content_hash",),
            "landing.catalogue": ("content_hash",),
            "landing.photometry": ("content_hash",),
            "raw.alerts": ("jd", "ra", "dec"),
        },
        settings=("identities",),
        is_per_object=False,
        has_objects_below=True,
        wanted_with="landing.tns",
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="raw.objects",
        compute="needle_assets.assets.landing:objects",
        # Where no list of the Transient Name Server has landed nothing is there, and what is not there makes nothing stale.
        reads={"landing.catalogue": ("content_hash",), "raw.tns": ("iau_name", "ra_deg", "dec_deg", "type", "redshift")},
        is_per_object=False,
        has_objects_below=True,
        code_version="3",
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="raw.photometry",
        compute="needle_assets.assets.landing:photometry",
        reads={"landing.photometry": ("content_hash",)},
        is_bulk=True,
        chunk_objects=2048,
        code_version="3",
        kinds=("duckdb", "parquet"),
    ),
    Stage(
        table="raw.forced_photometry",
        compute="needle_assets.assets.landing:forced_photometry",
        reads={"landing.photometry": ("forced_hash",)},
        is_bulk=True,
        chunk_objects=2048,
        kinds=("duckdb", "parquet"),
    ),
    Stage(
        table="raw.hosts",
        compute="needle_assets.assets.landing:hosts",
        reads={"landing.hosts": ("content_hash",)},
        is_bulk=True,
        chunk_objects=4096,
        code_version="3",
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="raw.verdicts",
        compute="needle_assets.assets.landing:verdicts",
        reads={"landing.verdicts": ("content_hash",), "landing.stamp_verdicts": ("content_hash",)},
        is_per_object=False,
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="core.detections",
        compute="needle_assets.assets.detections:detections",
        reads={
            "raw.alerts": (
                *("candid", "jd", "fid", "magpsf", "sigmapsf", "isdiffpos", "prv_candidates"),
                *("has_science_cutout", "has_reference_cutout"),
            ),
            "raw.photometry": ("mjd", "band", "mag", "mag_err", "mw_corrected", "is_positive", "source"),
        },
        settings=("detections",),
        code_version="2",
        group="detections",
    ),
    Stage(
        table="core.upper_limits",
        compute="needle_assets.assets.detections:upper_limits",
        reads={"raw.alerts": ("prv_candidates",), "core.detections": ("mjd", "band")},
        group="detections",
    ),
    Stage(
        table="core.forced_photometry",
        compute="needle_assets.assets.forced_photometry:forced_photometry",
        reads={
            "raw.alerts": ("candid", "jd", "ra", "dec", "prv_candidates", "fp_hists", "prvDiaForcedSources"),
            "raw.forced_photometry": (
                "mjd",
                "band",
                "flux_microjansky",
                "flux_err_microjansky",
                "status",
                "processed_mjd",
                "source",
            ),
        },
        group="detections",
        is_bulk=True,
        chunk_rows=512,
    ),
    Stage(
        table="core.identities",
        compute="needle_assets.assets.identities:identities",
        reads={"raw.objects": ("ra_deg", "dec_deg", "label", "a_v_mag"), "raw.alerts": ("ra", "dec")},
        settings=("identities",),
        group="detections",
        is_per_object=False,
        has_objects_below=True,
    ),
    Stage(
        table="core.extinction",
        compute="needle_assets.assets.extinction:extinction",
        reads={
            "landing.dust": ("content_hash",),
            "raw.objects": ("ra_deg", "dec_deg", "a_v_mag"),
            "raw.alerts": ("ra", "dec"),
            "core.identities": ("a_v_mag",),
        },
        group="detections",
        is_per_object=False,
        has_objects_below=True,
        wanted_with="landing.dust",
    ),
    Stage(
        table="core.hosts",
        compute="needle_assets.assets.detections:hosts",
        reads={
            "raw.alerts": ("jd", "ra", "dec", *_PS1_SOURCES),
            "raw.hosts": (
                *("host_ra_deg", "host_dec_deg", "separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag"),
                *("mw_corrected", "source"),
            ),
            "raw.objects": ("a_v_mag", "ra_deg", "dec_deg", "redshift"),
            "core.extinction": ("a_v_mag",),
        },
        settings=("hosts",),
        code_version="3",
        group="detections",
    ),
)
