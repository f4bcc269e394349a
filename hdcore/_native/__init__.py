"""Compiled kernels, built from ``ext/``. Private: only the Python module of the same subject imports them."""
