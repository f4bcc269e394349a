"""Sweep and pipeline files of Azure ML, read strictly, and the same for a bare script."""

from hdcore.azure.bare import spec_from_script
from hdcore.azure.load import legal_name, load_sweep, missing_here
from hdcore.azure.pipeline import is_pipeline, load_pipeline
from hdcore.azure.write import write_sweep

__all__ = [
    "is_pipeline",
    "legal_name",
    "load_pipeline",
    "load_sweep",
    "missing_here",
    "spec_from_script",
    "write_sweep",
]
