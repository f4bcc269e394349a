"""``python -m hdcore``."""

from __future__ import annotations

from hdcore.cli.main import main

if __name__ == "__main__":
    main()
