"""Avro files read within bounds: ``containers`` takes a file apart, ``reading`` and ``skipping`` what its ``schema`` says is in it."""
