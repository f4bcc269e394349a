"""A training program as the fake driver sees it: ``gpu_program.py FOLDER STEP...``, each step done in order.

``take:BYTES``   has so many bytes on its device from now on, or dies of CUDA's words when there is no room
``grow:BYTES``   so many more, in ten pieces
``mark:NAME``    makes the file FOLDER/NAME
``wait:NAME``    until FOLDER/NAME is there
``seen``         until the driver was asked for its memory
``fail:CODE``    exits
``fail-on:UUID`` exits with code 1 on that device
``lose``         its device falls off the bus
"""

import fcntl
import os
import sys
import time

MACHINE = os.environ["FAKE_NVML"]


def living(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def lines_of(path: str) -> list[str]:
    with open(path) as file:
        return file.readlines()


def take(uuid: str, size: int) -> None:
    """Have `size` more bytes."""
    totals = {line.split()[0]: int(line.split()[2]) << 20 for line in lines_of(MACHINE)}
    with open(f"{MACHINE}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            rows = [line.split() for line in lines_of(f"{MACHINE}.processes")]
        except FileNotFoundError:
            rows = []
        rows = [row for row in rows if living(int(row[1]))]
        own = sum(int(row[2]) for row in rows if row[0] == uuid and int(row[1]) == os.getpid())
        used = sum(int(row[2]) for row in rows if row[0] == uuid)
        with open(f"{MACHINE}.log", "a") as log:
            log.write(f"{uuid} {used + size} {'refused' if used + size > totals[uuid] else 'taken'}\n")
        if used + size > totals[uuid]:
            wanted = f"Tried to allocate {size / 2**30:.2f} GiB"
            sys.exit(f"torch.OutOfMemoryError: CUDA out of memory. {wanted}. GPU 0 has a total capacity of less.")
        rows = [row for row in rows if row[0] != uuid or int(row[1]) != os.getpid()]
        rows.append([uuid, str(os.getpid()), str(own + size)])
        with open(f"{MACHINE}.processes.new", "w") as file:
            file.writelines(" ".join(row) + "\n" for row in rows)
        os.replace(f"{MACHINE}.processes.new", f"{MACHINE}.processes")


def main(folder: str, steps: list[str]) -> None:
    uuid = os.environ["CUDA_VISIBLE_DEVICES"]
    for step in steps:
        word, _, value = step.partition(":")
        if word == "take":
            take(uuid, int(value))
        elif word == "grow":
            for _ in range(10):
                take(uuid, int(value) // 10)
        elif word == "mark":
            open(os.path.join(folder, value), "w").close()
        elif word in ("wait", "seen"):
            path = os.path.join(folder, value) if word == "wait" else f"{MACHINE}.seen.{os.getpid()}"
            while not os.path.exists(path):
                time.sleep(0.002)
        elif word == "fail" or (word == "fail-on" and value == uuid):
            sys.exit(int(value) if word == "fail" else 1)
        elif word == "lose":
            text = "".join(line.replace(" ok", " lost") if uuid in line else line for line in lines_of(MACHINE))
            with open(f"{MACHINE}.new", "w") as file:
                file.write(text)
            os.replace(f"{MACHINE}.new", MACHINE)


main(sys.argv[1], sys.argv[2:])
