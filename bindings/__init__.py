"""hdcore inside other frameworks; installed as ``hdcore.bindings``."""
