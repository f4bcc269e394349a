"""hdcore inside other frameworks; installed as ``hdcore.bindings``. In a checkout the link ``hdcore/bindings`` leads here."""
