"""Runs on this machine: slots, process trees, logs, reports.

How a run lives::

    driver ---- socket ---- spawner            one small process, forks
       \\                       |
        `---- socket per run - shim            C, subreaper: logs, timeout, ends the tree
                                |
                               run ... its descendants

The driver waits on sockets and inotify only; an executor with a hundred quiet runs uses no CPU.
"""

from __future__ import annotations

import logging
import os
import secrets
import selectors
import socket
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hdcore.errors import ExecutorError
from hdcore.executors import cpus, outcome
from hdcore.executors.leftovers import MARK_VARIABLE, process_name, run_mark
from hdcore.executors.pickup import Pickup
from hdcore.executors.places import Place, Places
from hdcore.executors.preload import Preload
from hdcore.executors.protocol import Bounds, pack_request
from hdcore.executors.shortage import Pause
from hdcore.executors.supervisors import Live, Supervisors
from hdcore.records import Event, Launch, RunEnd, RunStarted
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.executors.devices import Devices

LOG_CAP_BYTES = 64 << 20
MOST_READS = 16
"""Chunks of report files that one poll reads, all runs together."""
LONGEST_S = 1e9
"""A wait of thirty years stands for one without end."""

_executors: weakref.WeakSet[LocalExecutor] = weakref.WeakSet()


class LocalExecutor:
    """Starts and ends the processes of runs on this machine. One thread; see `hdcore.executors.base.Executor`.

    Parameters
    ----------
    slots : int or None
        Runs at a time. None: as many as CPUs, by affinity and container quota, divided by `cpus_per_run`; with
        GPUs, at most as many as fit on them.
    devices : Devices or None
        GPUs to give out; None: none are given out and no device mask is set.
    gpus_per_run, cpus_per_run
        What each run of this sweep asks for; `capacity` counts with them. ``"auto"``: runs share devices by their
        measured memory.
    name : str
        What others on this machine read in `hdcore devices`.
    sample_s : float
        Between two measurements.
    function : callable or None
        Called as ``function(configuration, run)`` in each run's process instead of executing `Launch.argv`. The
        spawner is forked from this process right here, so it inherits everything that is loaded; make the executor
        before opening stores.
    preload : Preload or None
        Modules for a fork server to import, in which runs of ``python SCRIPT`` then start. They are imported when this
        returns; InputError says which of them cannot be.
    mark : str or None
        Name of the sweep in the environment of its runs, by which `end_leftovers` finds them; random if not given.
    kill_grace_s : float
        Between SIGTERM and SIGKILL at the run timeout.
    give_up_s : float
        After the first SIGKILL; a process that lives on is reported and its slot stays out of use until it is gone.
    log_cap_bytes : int
        Of stdout.log and stderr.log of one run together: each keeps half of it, its beginning and its end.

    Attributes
    ----------
    notice : callable
        Takes what the user should know; the logger ``hdcore`` unless somebody sets another.
    """

    def __init__(
        self,
        slots: int | None = None,
        *,
        devices: Devices | None = None,
        gpus_per_run: float | str = 0,
        cpus_per_run: int = 1,
        name: str = "",
        sample_s: float = 1.0,
        function: Callable[..., Any] | None = None,
        preload: Preload | None = None,
        mark: str | None = None,
        kill_grace_s: float = 5.0,
        give_up_s: float = 10.0,
        log_cap_bytes: int = LOG_CAP_BYTES,
    ) -> None:
        self.mark = mark or secrets.token_hex(16)
        self._places = Places(
            slots,
            devices,
            gpus_per_run=gpus_per_run,
            cpus_per_run=cpus_per_run,
            name=name or self.mark[:12],
            sample_s=sample_s,
        )
        self.slots = self._places.slots
        self._function = function
        self._preload = preload
        self._said_cold = False
        self._pause = Pause()
        self.notice: Callable[[str], None] = logging.getLogger("hdcore").warning
        self._bounds = Bounds(kill_grace_s, give_up_s, log_cap_bytes)
        self._live: dict[int, Live] = {}
        # Ended for the driver, but a process of theirs will not die: their slots are not free.
        self._stuck: list[Live] = []
        self._events: list[Event] = []
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._pickup = Pickup()
        if self._pickup.fd is not None:
            self._selector.register(self._pickup.fd, selectors.EVENT_READ, self._pickup.notice)
        _executors.add(self)
        self._supervisors = Supervisors(
            self._selector,
            self._fork if function is not None else None if preload is None else preload.begin,
            mark=self.mark,
            give_up_s=give_up_s,
            started=self._on_start,
            ended=self._on_end,
            gone=self._on_gone,
        )
        if preload is not None and function is None:
            try:
                preload.wait()
            except BaseException:
                self._supervisors.spawner.kill()
                self.close()
                raise

    def keep_measurements(self, path: Path) -> None:
        """Use what an earlier driver of the sweep measured of its runs, and keep what is measured for the next one.

        To be called before the first run starts.
        """
        if self._places.packer is not None:
            self._places.packer.keep_in(path)

    # ---- the protocol

    def capacity(self) -> int:
        """Return how many more runs could start now."""
        return 0 if self._closed else self._pause.bound(self._places.capacity())

    def has_room(self, number: int, configuration: Configuration) -> bool:
        """Return whether this run could start now."""
        return self._places.has_room(number, configuration)

    def blocked(self) -> str | None:
        """Return why no run can ever start again, though none is running; None: one can, now or later."""
        if len(self._stuck) == self.slots:
            return "every slot is held by a process that does not die"
        return self._places.blocked()

    def start(self, launch: Launch) -> tuple[str, ...]:
        """Start a run and return its devices; see the protocol."""
        if self._closed:
            raise ExecutorError("the executor is closed")
        if self._function is None and not (launch.argv and launch.argv[0]):
            raise ExecutorError(f"run {launch.number} has no command: its argument list is empty")
        if launch.number in self._live:
            raise ExecutorError(f"run {launch.number} is running already")
        place = self._places.take(launch)
        try:
            request = self._request(launch, place)
            self._pickup.open(launch)
        except ValueError as error:
            return self._refuse(launch, place, str(error))
        except OSError as error:
            return self._refuse(launch, place, f"its report file: {os.strerror(error.errno or 0)}", error.errno or 0)
        run = self._live[launch.number] = Live(launch, place, request)
        try:
            self._supervisors.begin(run)
        except OSError as error:  # out of descriptors or memory; runs that live go on
            self._retire(run)
            return self._refuse(launch, place, os.strerror(error.errno or 0), error.errno or 0)
        except ExecutorError:
            self._retire(run)
            self._places.free(place)
            raise
        self._places.began(place)
        return place.devices

    def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
        """End a run: SIGTERM, `grace_s` seconds, SIGKILL to its tree. A second call can only shorten the grace."""
        run = self._live.get(number)
        if run is None or run.end is not None:
            return
        run.cancel = (reason if run.cancel is None else run.cancel[0], min(max(grace_s, 0.0), LONGEST_S))
        self._supervisors.cancel(run)

    def poll(self, timeout_s: float) -> list[Event]:
        """Return the events that have come, waiting at most `timeout_s` for the first one."""
        if self._closed:
            return []
        deadline = time.monotonic() + timeout_s
        while True:
            wait = 0.0 if self._events or self._pickup.has_work else max(0.0, deadline - time.monotonic())
            self._places.sample()
            wait = min(wait, self._places.wait_s())
            woken = False
            for key, _ in self._selector.select(self._pickup.patience(wait)):
                if key.data is None:
                    woken = True
                else:
                    key.data()
            self._pickup.look()
            self._read_reports()
            if self._events or woken or time.monotonic() >= deadline:
                events, self._events = self._events, []
                return events

    def wake_on(self, fd: int) -> None:
        """Let `poll` return early when `fd` becomes readable; the caller drains it."""
        self._selector.register(fd, selectors.EVENT_READ, None)

    def close(self) -> None:
        """End all runs at once and free everything. Idempotent."""
        if self._closed:
            return
        for number in list(self._live):
            self.cancel(number, "executor closed", grace_s=0.0)
        deadline = time.monotonic() + self._bounds.give_up_s + 2.0
        while self._live and time.monotonic() < deadline:
            try:
                self.poll(0.1)
            except ExecutorError:  # no spawner can be started; none is needed any more
                break
        self._closed = True
        for run in [*self._live.values(), *self._stuck]:
            self._retire(run)
            self._supervisors.drop(run)
            self._places.free(run.place)
        self._selector.close()
        self._pickup.close()
        self._supervisors.close()
        self._places.close()

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- starting

    def _request(self, launch: Launch, place: Place) -> bytes:
        environment = dict(launch.environment)
        environment[MARK_VARIABLE] = run_mark(
            self.mark, launch.number, launch.attempt, outer=os.environ.get(MARK_VARIABLE)
        )
        environment.update(cpus.thread_variables(launch.cpus, environment))
        environment.update(place.environment)
        return pack_request(
            launch.argv,
            environment,
            cwd=launch.cwd,
            out=os.path.join(launch.folder, "stdout.log"),
            err=os.path.join(launch.folder, "stderr.log"),
            timeout_s=None if launch.timeout_s is None else min(launch.timeout_s, LONGEST_S),
            bounds=self._bounds,
            cpus=place.cpus,
            function=self._function is not None or self._is_warm(launch, environment),
            name=process_name(self.mark, launch.number, launch.attempt),
        )

    def _is_warm(self, launch: Launch, environment: Mapping[str, str]) -> bool:
        """Return whether the fork server is to become the run's program; the first one that it cannot be is told."""
        if self._preload is None:
            return False
        why = self._preload.why_cold(launch, environment)
        if why is not None and not self._said_cold:
            self._said_cold = True
            self.notice(f"run {launch.number} starts cold, without preloaded modules: {why}")
        return why is None

    def _refuse(self, launch: Launch, place: Place, why: str, error: int = 0) -> tuple[str, ...]:
        self._places.free(place)
        end = outcome.not_started(launch, why, error)
        if end.is_excused:
            self._pause.begin()
        self._events.append(end)
        return ()

    def _fork(self, control: socket.socket, ours: socket.socket, _errors: int) -> int:
        from hdcore.executors.function import fork_spawner

        assert self._function is not None
        private = {ours.fileno()}
        for executor in _executors:
            if not executor._closed:
                private |= executor._private_fds()
        return fork_spawner(control, self._function, private)

    def _private_fds(self) -> set[int]:
        supervisors = getattr(self, "_supervisors", None)  # not there yet while the first spawner is made
        return self._pickup.fds() | (set() if supervisors is None else supervisors.fds())

    # ---- what comes in

    def _on_start(self, run: Live, pid: int) -> None:
        launch = run.launch
        self._pause.forget()
        self._events.append(RunStarted(launch.number, launch.attempt, pid, run.place.devices))
        self._places.started(run.place, pid)
        self._pickup.touch(launch.number)

    def _on_end(self, run: Live) -> None:
        """The tree is gone. The RunEnd waits until the report file is read to its end."""
        self._pickup.touch(run.launch.number)

    def _on_gone(self, run: Live) -> None:
        """The tree of a run that was unkillable is gone after all."""
        if run in self._stuck:
            self._stuck.remove(run)
            self._places.free(run.place)

    def _read_reports(self) -> None:
        for _ in range(MOST_READS):
            number = self._pickup.next()
            if number is None:
                return
            run = self._live.get(number)
            if run is None or not (run.is_started or run.end is not None):
                continue  # RunStarted comes first; then the file is read whether it grew or not
            reports, is_more = self._pickup.read(run.launch, is_final=run.end is not None)
            if reports is not None:
                self._events.append(reports)
            if run.end is not None and not is_more:
                self._finish(run, run.end)

    def _finish(self, run: Live, end: RunEnd) -> None:
        if end.is_excused:  # so far by a lack of processes or memory only
            self._pause.begin()
        if end.status is RunStatus.COMPLETED and self._pickup.is_incomplete(run.launch.number):
            end = msgspec.structs.replace(end, are_reports_lost=True)
        if self._pickup.is_spoiled(run.launch.number):
            end = msgspec.structs.replace(end, is_report_spoiled=True)
        self._events.append(self._places.ended(run.place, run.launch, end))
        self._retire(run)
        if run.is_unkillable:
            self._stuck.append(run)
        else:
            self._places.free(run.place)

    def _retire(self, run: Live) -> None:
        """Forget a run that has ended; its number may come again with another attempt."""
        if self._live.pop(run.launch.number, None) is not None:
            self._supervisors.forget(run)
            self._pickup.close_run(run.launch.number)
