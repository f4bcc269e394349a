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

from hdcore.errors import ExecutorError, InputError
from hdcore.executors import cpus, outcome
from hdcore.executors.leftovers import MARK_VARIABLE, end_leftovers, process_name, run_mark
from hdcore.executors.oom import OutOfMemoryKills
from hdcore.executors.pickup import Pickup
from hdcore.executors.preload import Preload
from hdcore.executors.protocol import (
    CANCEL,
    COMMAND,
    NS,
    RECORD,
    Bounds,
    Flags,
    Kind,
    Notice,
    NoticeKind,
    Record,
    pack_request,
)
from hdcore.executors.spawner import Spawner
from hdcore.records import Event, Launch, RunEnd, RunStarted
from hdcore.typing import Configuration, RunStatus

if TYPE_CHECKING:
    from hdcore.executors.devices import Devices, Lease
    from hdcore.executors.packer import Packer

LOG_CAP_BYTES = 64 << 20
MOST_READS = 16
"""Chunks of report files that one poll reads, all runs together."""
LONGEST_S = 1e9
"""A wait of thirty years stands for one without end."""
MOST_TRIES = 3
"""Times that a request is handed over, when spawners die before they take it up."""

_executors: weakref.WeakSet[LocalExecutor] = weakref.WeakSet()


class _Live:
    """What the executor knows of a run between start and end."""

    def __init__(self, launch: Launch, slot: int, token: int, request: bytes, lease: Lease | None) -> None:
        self.launch = launch
        self.slot = slot
        self.token = token
        self.request = request
        self.lease = lease
        self.devices: tuple[str, ...] = () if lease is None else lease.names
        self.socket: socket.socket | None = None
        self.generation = 0
        self.tries = 0
        self.began = time.monotonic()
        self.said_hello = False
        self.is_started = False
        self.is_lost = False  # the shim went without an end record
        self.loss: Notice | None = None
        self.cancel: tuple[str, float] | None = None
        self.end: RunEnd | None = None
        self.is_unkillable = False


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
    memory_file : Path or None
        Where the measurements are kept for the next driver of the sweep.
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
        memory_file: Path | None = None,
        name: str = "",
        sample_s: float = 1.0,
        function: Callable[..., Any] | None = None,
        preload: Preload | None = None,
        mark: str | None = None,
        kill_grace_s: float = 5.0,
        give_up_s: float = 10.0,
        log_cap_bytes: int = LOG_CAP_BYTES,
    ) -> None:
        if slots is not None and slots < 1:
            raise ExecutorError(f"{slots} slots; at least 1 is needed to run anything")
        if gpus_per_run and (devices is None or not devices.most_runs(gpus_per_run)):
            have = 0 if devices is None else len(devices.alive)
            raise InputError(
                f"{_amount(gpus_per_run)} GPUs per run; there are {have} that may be used",
                field="hdcore.gpus_per_run",
            )
        usable = cpus.usable_cpus()
        if slots is None:
            slots = cpus.default_slots(len(usable), cpus_per_run)
            if devices is not None and gpus_per_run and not isinstance(gpus_per_run, str):
                slots = max(1, min(slots, devices.most_runs(gpus_per_run)))
        self.slots = slots
        self.mark = mark or secrets.token_hex(16)
        self._devices = devices
        self._gpus_per_run = gpus_per_run
        self._name = name or self.mark[:12]
        self._packer: Packer | None = None
        if isinstance(gpus_per_run, str) and devices is not None:
            from hdcore.executors.packer import Packer

            self._packer = Packer(devices, path=memory_file, sample_s=sample_s)
        self._function = function
        self._preload = preload
        self._said_cold = False
        self.notice: Callable[[str], None] = logging.getLogger("hdcore").warning
        self._bounds = Bounds(kill_grace_s, give_up_s, log_cap_bytes)
        self._usable_cpus = frozenset(usable)
        self._cpus = cpus.own(cpus.shares(usable, slots, cpus_per_run))
        self._free = list(range(slots))
        self._live: dict[int, _Live] = {}
        self._stuck: list[
            _Live
        ] = []  # ended for the driver, but a process of theirs will not die: their slots are not free
        self._tokens: dict[int, _Live] = {}
        self._next_token = 1
        self._events: list[Event] = []
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._oom = OutOfMemoryKills()
        self._pickup = Pickup()
        if self._pickup.fd is not None:
            self._selector.register(self._pickup.fd, selectors.EVENT_READ, self._pickup.notice)
        _executors.add(self)
        self._spawner = Spawner(self._fork if function is not None else None if preload is None else preload.begin)
        self._selector.register(self._spawner.socket, selectors.EVENT_READ, self._on_notice)
        if preload is not None and function is None:
            try:
                preload.wait()
            except BaseException:
                self._spawner.kill()
                self.close()
                raise

    # ---- the protocol

    def capacity(self) -> int:
        """Return how many more runs could start now."""
        if self._closed or not self._free:
            return 0
        if self._packer is not None:
            return min(len(self._free), self._packer.capacity())
        if self._devices is not None and self._gpus_per_run:
            return min(len(self._free), self._devices.free(float(self._gpus_per_run)))
        return len(self._free)

    def has_room(self, number: int, configuration: Configuration) -> bool:
        """Return whether this run could start now."""
        return self._packer is None or self._packer.has_room(number, configuration)

    def blocked(self) -> str | None:
        """Return why no run can ever start again, though none is running; None: one can, now or later."""
        if len(self._stuck) == self.slots:
            return "every slot is held by a process that does not die"
        if self._devices is not None and self._gpus_per_run and not self._devices.most_runs(self._gpus_per_run):
            return f"{_amount(self._gpus_per_run)} GPUs per run; {len(self._devices.alive)} are left that answer"
        return None

    def start(self, launch: Launch) -> tuple[str, ...]:
        """Start a run and return its devices; see the protocol."""
        if self._closed:
            raise ExecutorError("the executor is closed")
        if self._function is None and not (launch.argv and launch.argv[0]):
            raise ExecutorError(f"run {launch.number} has no command: its argument list is empty")
        if not self._free:
            raise ExecutorError(f"no free slot for run {launch.number}: {self.slots} in use")
        if launch.number in self._live:
            raise ExecutorError(f"run {launch.number} is running already")
        lease = self._lease(launch)
        near = self._near_cpus(lease)
        slot = max(self._free, key=lambda slot: (len(near.intersection(self._cpus.shares[slot])), -slot))
        self._free.remove(slot)
        try:
            request = self._request(launch, slot, lease)
            self._pickup.open(launch)
        except ValueError as error:
            return self._refuse(launch, slot, lease, str(error))
        except OSError as error:
            return self._refuse(launch, slot, lease, f"its report file: {os.strerror(error.errno or 0)}")
        run = _Live(launch, slot, self._next_token, request, lease)
        self._next_token += 1
        self._live[launch.number] = self._tokens[run.token] = run
        try:
            self._hand_over(run)
        except OSError as error:  # out of descriptors or memory: this run's misfortune, the others go on
            self._give_up(run)
            self._events.append(outcome.not_started(launch, os.strerror(error.errno or 0)))
            return ()
        except ExecutorError:
            self._give_up(run)
            raise
        if self._devices is not None:
            self._devices.began(run.devices)
        return run.devices

    def cancel(self, number: int, reason: str, *, grace_s: float = 5.0) -> None:
        """End a run: SIGTERM, `grace_s` seconds, SIGKILL to its tree. A second call can only shorten the grace."""
        run = self._live.get(number)
        if run is None or run.end is not None:
            return
        run.cancel = (reason if run.cancel is None else run.cancel[0], min(max(grace_s, 0.0), LONGEST_S))
        self._send_cancel(run)

    def poll(self, timeout_s: float) -> list[Event]:
        """Return the events that have come, waiting at most `timeout_s` for the first one."""
        if self._closed:
            return []
        deadline = time.monotonic() + timeout_s
        while True:
            wait = 0.0 if self._events or self._pickup.has_work else max(0.0, deadline - time.monotonic())
            if self._packer is not None:
                self._packer.sample()
                wait = min(wait, self._packer.wait_s())
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
            self._release(run)
        self._selector.close()
        self._pickup.close()
        self._spawner.close()
        self._cpus.close()
        if self._devices is not None:
            self._devices.close()

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- starting

    def _request(self, launch: Launch, slot: int, lease: Lease | None) -> bytes:
        environment = dict(launch.environment)
        environment[MARK_VARIABLE] = run_mark(
            self.mark, launch.number, launch.attempt, outer=os.environ.get(MARK_VARIABLE)
        )
        environment.update(cpus.thread_variables(launch.cpus, environment))
        if lease is not None:
            environment.update(lease.environment)
        return pack_request(
            launch.argv,
            environment,
            cwd=launch.cwd,
            out=os.path.join(launch.folder, "stdout.log"),
            err=os.path.join(launch.folder, "stderr.log"),
            timeout_s=None if launch.timeout_s is None else min(launch.timeout_s, LONGEST_S),
            bounds=self._bounds,
            cpus=self._affinity(launch, slot, lease),
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

    def _lease(self, launch: Launch) -> Lease | None:
        if self._devices is None:
            return None
        label = f"{self._name}/{launch.number}"
        if isinstance(launch.gpus, str):
            if self._packer is None:
                raise ExecutorError(f"run {launch.number} asks for {launch.gpus} GPUs of an executor that counts them")
            return self._packer.lease(launch, label)
        return self._devices.lease(launch.gpus, label)

    def _near_cpus(self, lease: Lease | None) -> frozenset[int]:
        """Usable CPUs on the NUMA nodes of a run's devices; empty if those are all, or unknown."""
        if lease is None or not lease.names or self._devices is None:
            return frozenset()
        near = self._devices.local_cpus(lease.names) & self._usable_cpus
        return near if near != self._usable_cpus else frozenset()

    def _affinity(self, launch: Launch, slot: int, lease: Lease | None) -> tuple[int, ...]:
        """CPUs of a run: those of its slot that are near its devices, else all that are near."""
        own, near = self._cpus.shares[slot], self._near_cpus(lease)
        if not near:
            return own
        both = tuple(cpu for cpu in own if cpu in near)
        return both if len(both) >= launch.cpus else tuple(sorted(near))

    def _refuse(self, launch: Launch, slot: int, lease: Lease | None, why: str) -> tuple[str, ...]:
        self._free_slot(slot, lease)
        self._events.append(outcome.not_started(launch, why))
        return ()

    def _hand_over(self, run: _Live) -> None:
        """Give a run to the spawner; again, after one died with it in hand."""
        run.tries += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        run.socket = ours
        run.is_lost, run.loss = False, None
        held = () if run.lease is None else run.lease.fds
        with theirs:
            try:
                self._spawner.send(run.token, theirs, run.request, held)
            except ConnectionError:  # it has just died
                self._restart_spawner()
                self._spawner.send(run.token, theirs, run.request, held)
        run.generation = self._spawner.generation
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_record(run))
        if run.cancel is not None:
            self._send_cancel(run)

    def _give_up(self, run: _Live) -> None:
        if run.socket is not None:
            run.socket.close()
            run.socket = None
        self._retire(run)
        self._release(run)

    def _fork(self, control: socket.socket, ours: socket.socket, _errors: int) -> int:
        from hdcore.executors.function import fork_spawner

        assert self._function is not None
        return fork_spawner(control, self._function, self._private_fds() | {ours.fileno()})

    @staticmethod
    def _private_fds() -> set[int]:
        """Descriptors that no forked process may keep: a copy of the driver's end would hide the driver's death."""
        private = set()
        for executor in _executors:
            if executor._closed:
                continue
            private |= {run.socket.fileno() for run in executor._live.values() if run.socket is not None}
            private |= executor._pickup.fds()
            spawner = getattr(executor, "_spawner", None)
            if spawner is not None:
                private.add(spawner.socket.fileno())
        return {fd for fd in private if fd >= 0}

    def _restart_spawner(self) -> None:
        if self._spawner.is_open:
            self._selector.unregister(self._spawner.socket)
        self._spawner.restart()
        self._selector.register(self._spawner.socket, selectors.EVENT_READ, self._on_notice)
        for run in [run for run in self._live.values() if run.is_lost]:
            self._settle_loss(run)

    @staticmethod
    def _send_cancel(run: _Live) -> None:
        assert run.cancel is not None
        try:
            if run.socket is not None:
                run.socket.send(COMMAND.pack(CANCEL, 0, int(run.cancel[1] * NS)), socket.MSG_DONTWAIT)
        except OSError:  # it is ending on its own; its record is on the way
            pass

    # ---- what comes in

    def _on_record(self, run: _Live) -> None:
        while run.socket is not None:
            try:
                data = run.socket.recv(RECORD.size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if len(data) != RECORD.size:
                self._drop_socket(run)
                if run.is_unkillable:
                    run.is_unkillable = False  # its tree is gone after all
                    if run in self._stuck:
                        self._stuck.remove(run)
                        self._release(run)
                elif run.end is None:
                    run.is_lost = True
                    self._settle_loss(run)
                return
            self._take(run, Record.unpack(data))

    def _take(self, run: _Live, record: Record) -> None:
        match record.kind:
            case Kind.HELLO:
                run.said_hello = True
            case Kind.STARTED:
                run.is_started = True
                launch = run.launch
                self._events.append(RunStarted(launch.number, launch.attempt, record.pid, run.devices))
                if self._packer is not None and run.lease is not None:
                    self._packer.started(run.lease, record.pid)
                self._pickup.touch(launch.number)
            case Kind.ENDED:
                run.is_unkillable = bool(record.flags & Flags.UNKILLABLE)
                if not run.is_unkillable:
                    self._drop_socket(run)
                reason = None if run.cancel is None else run.cancel[0]
                self._end(run, outcome.run_end(run.launch, record, reason, self._bounds.give_up_s, self._oom.explain))

    def _on_notice(self) -> None:
        while True:
            try:
                notice = self._spawner.receive()
            except BlockingIOError:
                return
            if notice is None:
                self._restart_spawner()
                return
            run_or_none = self._tokens.get(notice.token)
            if run_or_none is not None:
                run_or_none.loss = notice
                if run_or_none.is_lost:
                    self._settle_loss(run_or_none)

    def _settle_loss(self, run: _Live) -> None:
        """Decide about a run whose shim has gone: wait for the spawner's word, start it again, or call it failed."""
        if run.end is not None:
            return
        is_orphaned = run.generation != self._spawner.generation  # its spawner is dead too: nobody will send word
        if run.loss is None and not is_orphaned:
            return
        if run.loss is not None and run.loss.kind == NoticeKind.FORK_FAILED:
            self._end(run, outcome.not_started(run.launch, os.strerror(run.loss.status)))
        elif run.loss is not None and run.loss.kind == NoticeKind.THREADED:
            why = f"the process that forks runs has {run.loss.status} threads"
            self._end(run, outcome.not_started(run.launch, why))
        elif not run.said_hello and run.tries < MOST_TRIES:
            try:
                self._hand_over(run)
            except OSError as error:
                run.socket = None
                self._end(run, outcome.not_started(run.launch, os.strerror(error.errno or 0)))
        elif not run.said_hello:
            self._end(
                run, outcome.not_started(run.launch, f"the process that starts runs died{self._spawner.last_words()}")
            )
        else:
            if is_orphaned:
                end_leftovers(self.mark, run=(run.launch.number, run.launch.attempt))
            status, survivor = (None, 0) if run.loss is None else (run.loss.status, run.loss.survivor)
            run.is_unkillable = bool(survivor)
            self._end(run, outcome.supervisor_lost(run.launch, status, time.monotonic() - run.began, survivor))

    # ---- reports and the end

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

    def _finish(self, run: _Live, end: RunEnd) -> None:
        if end.status is RunStatus.COMPLETED and self._pickup.is_incomplete(run.launch.number):
            end = msgspec.structs.replace(end, are_reports_lost=True)
        if self._pickup.is_spoiled(run.launch.number):
            end = msgspec.structs.replace(end, is_report_spoiled=True)
        self._events.append(self._judge(run, end))
        self._retire(run)
        if run.is_unkillable:
            self._stuck.append(run)
        else:
            self._release(run)

    def _judge(self, run: _Live, end: RunEnd) -> RunEnd:
        """Tell the devices how a run ended, and excuse it where they were at fault."""
        if self._devices is None or not run.devices:
            return end
        if self._packer is not None and run.lease is not None:
            end = self._packer.ended(run.lease, run.launch, end)
        failed: bool | None = end.status is RunStatus.FAILED
        if end.status is RunStatus.CANCELED or end.is_excused or (failed and not (end.exit_code or end.signal)):
            failed = None  # no word about the devices
        if not self._devices.ended(run.devices, failed=failed):
            reason = f"{end.reason}; its GPU does not answer any more"
            end = msgspec.structs.replace(end, reason=reason, is_excused=True)
        return end

    def _end(self, run: _Live, end: RunEnd) -> None:
        """The tree is gone. The RunEnd waits until the report file is read to its end."""
        run.end = end
        self._pickup.touch(run.launch.number)

    def _drop_socket(self, run: _Live) -> None:
        if run.socket is not None:
            self._selector.unregister(run.socket)
            run.socket.close()
            run.socket = None

    def _retire(self, run: _Live) -> None:
        """Forget a run that has ended; its number may come again with another attempt."""
        if self._live.pop(run.launch.number, None) is not None:
            self._tokens.pop(run.token, None)
            self._pickup.close_run(run.launch.number)

    def _release(self, run: _Live) -> None:
        """Give back slot and devices: nothing of the run is left."""
        self._drop_socket(run)
        self._free_slot(run.slot, run.lease)

    def _free_slot(self, slot: int, lease: Lease | None) -> None:
        if lease is not None:
            if self._packer is not None:
                self._packer.release(lease)
            lease.close()
        self._free.append(slot)


def _amount(gpus: float | str) -> str:
    return gpus if isinstance(gpus, str) else f"{gpus:g}"
