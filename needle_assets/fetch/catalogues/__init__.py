"""Catalogues: the survey's list of transients, and magnitudes of host galaxies by position."""
