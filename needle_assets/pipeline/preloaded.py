"""What computing needs, imported once for all workers before the first of them starts; nobody else imports this."""

import importlib

import scipy.interpolate  # noqa: F401 - imported late by the cleaning of light curves

from needle_assets.stages import STAGES

for module in sorted({"needle_assets.pipeline.compute", *(stage.compute.partition(":")[0] for stage in STAGES)}):
    importlib.import_module(module)
