"""Thin glue: each stage reads the rows it declared, calls science, returns rows. No arithmetic, no SQL."""
