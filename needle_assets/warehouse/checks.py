"""Claims about the stored rows. Each is a query for the rows that break it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A claim: ``query`` finds the rows that break it; a blocking one stops what would build on them."""

    name: str
    table: str
    claim: str
    query: str
    is_blocking: bool = True


CHECKS = (
    Check(
        "objects_are_named_once",
        "raw.objects",
        "Every catalogue object has one row and an id of ZTF's form.",
        "select ztf_id from raw.objects group by ztf_id having count(*) > 1 or not regexp_full_match(ztf_id, 'ZTF\\d{2}[a-z]{7}')",
    ),
    Check(
        "labels_are_known",
        "raw.objects",
        "A label is SN, SLSN-I, TDE or null.",
        "select ztf_id, label from raw.objects where label not in ('SN', 'SLSN-I', 'TDE')",
    ),
    Check(
        "every_packet_is_a_row_or_a_rejection",
        "raw.alerts",
        "Every readable packet of the landing folder is a row, or a rejection says why not.",
        "select p.* from lineage.landing_packets p where not exists (select 1 from raw.alerts a where a.ztf_id = p.ztf_id "
        "and a.candid = p.candid) and not exists (select 1 from core.rejections r where r.ztf_id = p.ztf_id)",
    ),
    Check(
        "detections_are_plausible",
        "core.detections",
        "Detections lie in ZTF's years and between magnitude 0 and 30.",
        "select * from core.detections where mjd not between 58000 and 80000 or mag not between 0 and 30",
        is_blocking=False,
    ),
    Check(
        "stamped_detections_are_packets",
        "core.detections",
        "A detection with a stamp has the packet it comes from.",
        "select d.ztf_id, d.candid from core.detections d where has_stamp and candid is not null "
        "and not exists (select 1 from raw.alerts a where a.ztf_id = d.ztf_id and a.candid = d.candid)",
    ),
    Check(
        "hosted_objects_have_a_host",
        "core.hosts",
        "An object is hosted exactly if it has an association.",
        "select * from core.hosts where is_hosted <> (association <> 'none')",
    ),
    Check(
        "targets_are_central",
        "core.stamps",
        "The transient lies within a pixel of the stamp's centre.",
        "select ztf_id, candid, target_x_px, target_y_px from core.stamps "
        "where abs(target_x_px - 29.5) > 1.01 or abs(target_y_px - 29.5) > 1.01",
    ),
)
