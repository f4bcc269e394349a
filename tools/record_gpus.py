"""Record a packed sweep on the tests' fake machine of 8 GPUs: ``python tools/record_gpus.py``, from the checkout.

The runs are real processes; the driver library under them is tests/executors/fake_nvml/nvml.c. Eight runs are measured
with a device each; then 32 of those that wait fit at once, four a device. examples/gpus/recording.txt keeps what this
prints, and the README's chapter on GPUs shows a part of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAKE = ROOT / "tests" / "executors" / "fake_nvml"
SWEEP = f"""
type: sweep
sampling_algorithm: random
search_space:
  lr: {{type: quniform, min_value: 0.01, max_value: 1, q: 0.01}}
objective: {{goal: minimize, primary_metric: loss}}
limits: {{max_total_trials: 40, max_concurrent_trials: 40}}
trial: {{command: "{sys.executable} -I -S train.py ${{{{search_space.lr}}}}", code: .}}
hdcore: {{gpus_per_run: auto, seed: 7}}
"""
TRAIN = """
import json, os, runpy, sys
fd = os.open(os.environ["HDCORE_REPORT"], os.O_WRONLY | os.O_APPEND)
os.write(fd, (json.dumps({"name": "loss", "value": float(sys.argv[1])}) + "\\n").encode())
number, size = int(os.environ["HDCORE_RUN_ID"].rpartition("_")[2]), 5 * 2**30
sys.argv = ["gpu_program.py", FOLDER, f"take:{size}", "seen", *(["wait:shown"] if number > 7 else [])]
runpy.run_path(PROGRAM)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "code"
        code.mkdir()
        head = f"PROGRAM, FOLDER = {str(FAKE / 'gpu_program.py')!r}, {name!r}\n"
        (code / "train.py").write_text(head + TRAIN)
        (code / "sweep.yml").write_text(SWEEP)
        (folder / "machine").write_text("".join(f"GPU-{k:04d} A5000 24576 0 ok\n" for k in range(8)))
        library = folder / "libnvidia-ml.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(FAKE / "nvml.c")], check=True)
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_LIBRARY_PATH": name,
            "FAKE_NVML": str(folder / "machine"),
            "HDCORE_LEASE_DIR": str(runtime),
            "HDCORE_ROOT": str(folder / ".hdcore"),
        }
        hdcore = [sys.executable, "-m", "hdcore"]
        call = [*hdcore, "run", "code/sweep.yml", "--name", "tonight", "--no-live"]
        print("$ hdcore run sweep.yml --name tonight")
        with subprocess.Popen(call, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as sweep:
            while len(alive(folder)) < 32 and sweep.poll() is None:
                time.sleep(0.2)
            time.sleep(2.0)  # for one too many, if there were one
            shown = subprocess.run([*hdcore, "devices"], env=environment, capture_output=True, text=True).stdout
            (folder / "shown").touch()
            print((sweep.communicate()[0] or "").strip())
        print("\n$ hdcore devices          # in the middle of it")
        print(shown)


def alive(folder: Path) -> list[str]:
    file = folder / "machine.processes"
    rows = file.read_text().splitlines() if file.exists() else []
    return [row for row in rows if os.path.exists(f"/proc/{row.split()[1]}")]


if __name__ == "__main__":
    main()
