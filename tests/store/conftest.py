"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store.support import make_spec

from hdcore.store import Store
from hdcore.typing import Goal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def stores() -> Iterator[list[Store]]:
    """Stores to close at the end, whatever the test did to them."""
    made: list[Store] = []
    yield made
    for store in made:
        store.close()


@pytest.fixture
def new_store(root: Path, stores: list[Store]) -> Callable[..., Store]:
    def create(name: str = "s1", goal: Goal = Goal.MINIMIZE, metric: str = "loss") -> Store:
        store = Store.create(root, make_spec(name, goal, metric), sweep_id=f"HD_{name}")
        stores.append(store)
        return store

    return create


@pytest.fixture
def store(new_store: Callable[..., Store]) -> Store:
    return new_store()
