"""Sweeps in pages of one file: reports, and what notebooks show. They are the portal's own views, without a server."""

from __future__ import annotations
