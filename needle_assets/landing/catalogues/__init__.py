"""The catalogues, photometry and hosts of a landing folder as rows with our names and units, or as rejections.

A row is refused where it cannot be used at all (no object id, no magnitude). In the catalogue a single unreadable value only
becomes null, with a rejection that says so, because the other values of that object are still true.
"""

from needle_assets.landing.catalogues.catalogue import read_catalogue
from needle_assets.landing.catalogues.hosts import read_hosts
from needle_assets.landing.catalogues.labels import label_of
from needle_assets.landing.catalogues.photometry import read_forced_photometry, read_photometry
from needle_assets.landing.catalogues.tns import read_tns

__all__ = ["label_of", "read_catalogue", "read_forced_photometry", "read_hosts", "read_photometry", "read_tns"]
