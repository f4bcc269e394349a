"""A driver to be killed: starts one run, then polls for ever. ``driver_program.py FOLDER MARK ARGV…``"""

from __future__ import annotations

import sys
from pathlib import Path

from executors.helpers import make_launch

from hdcore.executors.local import LocalExecutor

if __name__ == "__main__":
    folder, mark, *argv = sys.argv[1:]
    executor = LocalExecutor(1, mark=mark)
    executor.start(make_launch(Path(folder), argv=argv))
    (Path(folder) / "spawner").write_text(str(executor._supervisors.spawner.pid))
    while True:
        executor.poll(3600)
