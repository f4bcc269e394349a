"""Azure's telemetry switch. Nothing is ever collected here."""

from __future__ import annotations


def set_diagnostics_collection(send_diagnostics: bool = True, verbose: bool = True) -> None:
    """Do nothing: hdcore sends nothing anywhere."""
