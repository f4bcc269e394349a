"""Sweep files of Azure ML, read strictly, and the same for a bare script."""

from hdcore.azure.bare import spec_from_script
from hdcore.azure.load import legal_name, load_sweep, missing_here

__all__ = ["legal_name", "load_sweep", "missing_here", "spec_from_script"]
