"""hdcore inside other frameworks; installed as ``hdcore.bindings``, in a checkout found through a link of that name."""
