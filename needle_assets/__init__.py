"""Data assets that turn ZTF alert packets into the training set and the models of NEEDLE.

A landing folder holds what the survey sent. ``landing`` looks at it, ``stages`` names every product and what it is made from,
``images``, ``light_curves``, ``samples`` and ``classifiers`` compute them as pure functions, ``assets`` joins the two, ``warehouse``
stores them in DuckDB and decides what is stale, and Dagster runs and shows it all.
"""
