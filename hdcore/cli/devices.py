"""`hdcore devices`."""

from __future__ import annotations

import dataclasses
import os

import click

from hdcore.cli.common import json_option, write
from hdcore.cli.main import debug_option
from hdcore.views.text import plural, printable


@click.command("devices")
@json_option
@debug_option
def devices_command(as_json: bool) -> None:
    """List what runs can use on this machine: GPUs that are visible and healthy, and CPUs."""
    from hdcore.executors.cpus import usable_cpus
    from hdcore.executors.devices import inventory, visible

    gpus = visible(inventory(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    cpus = len(usable_cpus())
    if as_json:
        from hdcore.document import to_json_text

        write(to_json_text({"cpus": cpus, "gpus": [dataclasses.asdict(gpu) for gpu in gpus]}))
        return
    write(f"{plural(cpus, 'CPU')}, {plural(len(gpus), 'GPU')}")
    for gpu in gpus:
        write(f"  {gpu.index}  {printable(gpu.name)}  {gpu.memory_total_bytes / 2**30:.1f} GiB  {printable(gpu.uuid)}")
