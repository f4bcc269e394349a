"""What all tests need of their surroundings."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


def pytest_configure() -> None:
    """Hear the signals that the tests send: a suite started in the background or under nohup inherits them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the README, the longest file: begun last, it would be waited for alone."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")
