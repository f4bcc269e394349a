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
    """List what runs can use on this machine: CPUs, and GPUs with their memory, their use and who holds them."""
    from hdcore.executors.cpus import usable_cpus
    from hdcore.executors.devices import Devices, inventory, usable

    gpus = usable(inventory(), os.environ)
    devices = Devices(gpus)
    holders = {gpu.uuid: devices.holders(gpu) for gpu in gpus}
    devices.close()
    cpus = len(usable_cpus())
    if as_json:
        from hdcore.document import to_json_text

        listed = []
        for gpu in gpus:
            entry = dataclasses.asdict(gpu)
            del entry["word"]
            entry["leases"] = [{"holder": name, "share": round(share, 4)} for name, share in holders[gpu.uuid]]
            listed.append(entry)
        write(to_json_text({"cpus": cpus, "gpus": listed}))
        return
    write(f"{plural(cpus, 'CPU')}, {plural(len(gpus), 'GPU')}")
    rows = [
        (
            gpu.index,
            printable(gpu.name),
            printable(gpu.uuid),
            f"{gpu.memory_used_bytes / 2**30:.1f} of {gpu.memory_total_bytes / 2**30:.1f} GiB",
            "" if gpu.busy_percent is None else f"{gpu.busy_percent}% busy",
            ", ".join(f"{printable(name)} {share:.0%}" for name, share in holders[gpu.uuid]) or "free",
        )
        for gpu in gpus
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        write("  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
