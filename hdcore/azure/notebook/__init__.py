"""Notebooks as programs: read, and run cell by cell."""
