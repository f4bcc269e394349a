"""Options that say what a new sweep starts from."""

from __future__ import annotations

from typing import Any

import click

from hdcore.errors import InputError


def earlier_options(function: Any) -> Any:
    """Add the options; their values are ``resume_from``, ``resume_runs``, ``rename`` and ``defaults``."""
    for option in (
        click.option(
            "--default", "defaults", multiple=True, metavar="NAME=VALUE", help="What a new parameter was in them."
        ),
        click.option("--rename", multiple=True, metavar="OLD=NEW", help="A parameter of them with a new name."),
        click.option(
            "--resume-run", "resume_runs", multiple=True, metavar="NAME/N", help="Go on with a run of another sweep."
        ),
        click.option("--resume-from", multiple=True, metavar="NAME", help="Start from the runs of an earlier sweep."),
    ):
        function = option(function)
    return function


def read_maps(rename: tuple[str, ...], defaults: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the overrides that ``--rename`` and ``--default`` mean."""
    from hdcore.azure.bare import read_value

    new_names = read_pairs(rename, "run", "--rename", "OLD=NEW")
    values = read_pairs(defaults, "run", "--default", "NAME=VALUE")
    return {"resume_rename": new_names, "resume_defaults": {name: read_value(word) for name, word in values.items()}}


def read_pairs(items: tuple[str, ...], command: str, option: str, form: str) -> dict[str, str]:
    """Read the values of an option that is given once for each name."""
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name or not equals or not value or name in found:
            why = "is given twice for one name; keep one" if name in found else f"is {item!r}; write {form}"
            raise InputError(why, source=command, field=option)
        found[name] = value
    return found
