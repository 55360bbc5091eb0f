"""Dagster's pages behind a guard of ours, with the daemon beside them."""
