"""A driver in small: ``writer.py ROOT NAME SEED``. Ends runs for ever and says so on stdout after each; is killed."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from store.support import losses, make_spec

from hdcore.store import Store
from hdcore.typing import RunStatus


def main(root: Path, name: str, seed: int) -> None:
    rng = random.Random(seed)
    if (root / "sweeps" / name).exists():
        store = Store.open(root, name)
    else:
        store = Store.create(root, make_spec(name), sweep_id="HD_1")
    runs = store.runs()
    waiting = [(run.number, run.attempt + 1) for run in runs if not run.status.is_terminal]
    following = len(runs)
    while True:
        with store.turn():
            while len(waiting) < 3:
                store.add_runs([(following, {"lr": following})])
                waiting.append((following, 1))
                following += 1
        number, attempt = waiting.pop(0)
        store.start_run(number, attempt, (), 1.0)
        count = rng.randrange(1, 400)
        for at in range(0, count, 7):
            # Values are a function of run and interval, so a reader can tell a prefix from anything else.
            values = [number * 1000.0 + k for k in range(at + 1, min(at + 7, count) + 1)]
            store.add_reports(losses(number, values, attempt=attempt, offset=at))
            if rng.random() < 0.1:
                store.tick(time.monotonic())
                store.flush()
        store.finish_run(number, RunStatus.COMPLETED, value=number * 1000.0 + 1, interval=1, exit_code=0, at=2.0)
        sys.stdout.write(f"{number} {attempt} {count}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
