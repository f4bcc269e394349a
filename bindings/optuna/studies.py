"""x"""

from __future__ import annotations

import_study = export_study = None
