"""The suite is imported from the top of the checkout: benchmarks are no part of the installed package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
