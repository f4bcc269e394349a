"""Plain-Python twins, written from the documentation's wording and independent of the production code."""
