"""The driver's side of spawner and shims: runs are handed over, their records heard, and deaths of either noticed."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable

from hdcore.executors import outcome
from hdcore.executors.leftovers import end_leftovers
from hdcore.executors.oom import OutOfMemoryKills
from hdcore.executors.places import Place
from hdcore.executors.protocol import CANCEL, COMMAND, NS, RECORD, Flags, Kind, Notice, NoticeKind, Record
from hdcore.executors.shortage import LACKING
from hdcore.executors.spawner import Spawner
from hdcore.records import Launch, RunEnd

MOST_TRIES = 3
"""Times that a request is handed over, when spawners die before they take it up."""


class Live:
    """What is known of a run between its start and its end."""

    def __init__(self, launch: Launch, place: Place, request: bytes) -> None:
        self.launch = launch
        self.place = place
        self.request = request
        self.token = 0
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


class Supervisors:
    """One spawner, and a shim for each living run. Called from the driver's thread.

    Parameters
    ----------
    selector : selectors.BaseSelector
        Sockets are registered there, each with a function of no arguments to call when it is readable.
    begin : callable or None
        Makes the spawner's process; see `Spawner`.
    mark : str
        Name of the sweep in the environment of its runs.
    give_up_s : float
        Shims' patience after SIGKILL, for messages.
    started : callable
        Called with a run and its pid when its process exists.
    ended : callable
        Called with a run whose `end` has been set: its tree is gone, or `is_unkillable`.
    gone : callable
        Called with a run that was unkillable, when its tree is gone after all.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        begin: Callable[[socket.socket, socket.socket, int], int] | None,
        *,
        mark: str,
        give_up_s: float,
        started: Callable[[Live, int], None],
        ended: Callable[[Live], None],
        gone: Callable[[Live], None],
    ) -> None:
        self._selector = selector
        self._mark = mark
        self._give_up_s = give_up_s
        self._started, self._ended, self._gone = started, ended, gone
        self._runs: dict[int, Live] = {}  # by token
        self._next_token = 1
        self._oom = OutOfMemoryKills()
        self.spawner = Spawner(begin)
        selector.register(self.spawner.socket, selectors.EVENT_READ, self._on_notice)

    def fds(self) -> set[int]:
        """Descriptors that no forked process may keep: a copy of the driver's end would hide the driver's death."""
        sockets = {run.socket.fileno() for run in self._runs.values() if run.socket is not None}
        return {fd for fd in (*sockets, self.spawner.socket.fileno()) if fd >= 0}

    def begin(self, run: Live) -> None:
        """Hand a run over; its records come through the selector from now on.

        Raises
        ------
        OSError
            If descriptors or memory have run out; then nothing has begun, and `forget` is to be called.
        ExecutorError
            If no spawner can be started; likewise.
        """
        run.token = self._next_token
        self._next_token += 1
        self._runs[run.token] = run
        self._hand_over(run)

    def cancel(self, run: Live) -> None:
        """Send the shim of a run what `run.cancel` says."""
        assert run.cancel is not None
        try:
            if run.socket is not None:
                run.socket.send(COMMAND.pack(CANCEL, 0, int(run.cancel[1] * NS)), socket.MSG_DONTWAIT)
        except OSError:  # it is ending on its own; its record is on the way
            pass

    def forget(self, run: Live) -> None:
        """Drop a run that has ended. One that is unkillable is listened to until it is gone."""
        self._runs.pop(run.token, None)
        if not run.is_unkillable:
            self.drop(run)

    def drop(self, run: Live) -> None:
        """Let go of the shim of a run, which then ends its tree."""
        if run.socket is not None:
            if run.socket in self._selector.get_map():
                self._selector.unregister(run.socket)
            run.socket.close()
            run.socket = None

    def close(self) -> None:
        self.spawner.close()

    # ---- handing over

    def _hand_over(self, run: Live) -> None:
        """Give a run to the spawner; again, after one died with it in hand."""
        run.tries += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        run.socket = ours
        run.is_lost, run.loss = False, None
        with theirs:
            try:
                self.spawner.send(run.token, theirs, run.request, run.place.fds)
            except ConnectionError:  # it has just died
                self._restart_spawner()
                self.spawner.send(run.token, theirs, run.request, run.place.fds)
        run.generation = self.spawner.generation
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_record(run))
        if run.cancel is not None:
            self.cancel(run)

    def _restart_spawner(self) -> None:
        if self.spawner.is_open:
            self._selector.unregister(self.spawner.socket)
        self.spawner.restart()
        self._selector.register(self.spawner.socket, selectors.EVENT_READ, self._on_notice)
        for run in [run for run in self._runs.values() if run.is_lost]:
            self._settle_loss(run)

    def _replace_spawner(self) -> None:
        """Start another spawner; while the machine lacks what that takes, the next run handed over tries again."""
        try:
            self._restart_spawner()
        except OSError as error:
            if error.errno not in LACKING:
                raise
            for run in [run for run in self._runs.values() if run.is_lost]:
                self._settle_loss(run)

    # ---- what comes in

    def _on_record(self, run: Live) -> None:
        while run.socket is not None:
            try:
                data = run.socket.recv(RECORD.size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if len(data) != RECORD.size:
                self.drop(run)
                if run.is_unkillable:
                    run.is_unkillable = False
                    self._gone(run)
                elif run.end is None:
                    run.is_lost = True
                    self._settle_loss(run)
                return
            self._take(run, Record.unpack(data))

    def _take(self, run: Live, record: Record) -> None:
        match record.kind:
            case Kind.HELLO:
                run.said_hello = True
            case Kind.STARTED:
                run.is_started = True
                self._started(run, record.pid)
            case Kind.ENDED:
                run.is_unkillable = bool(record.flags & Flags.UNKILLABLE)
                if not run.is_unkillable:
                    self.drop(run)
                reason = None if run.cancel is None else run.cancel[0]
                self._end(run, outcome.run_end(run.launch, record, reason, self._give_up_s, self._oom.explain))

    def _on_notice(self) -> None:
        while self.spawner.is_open:  # else another one could not be started in this same turn
            try:
                notice = self.spawner.receive()
            except BlockingIOError:
                return
            if notice is None:
                self._replace_spawner()
                return
            run = self._runs.get(notice.token)
            if run is not None:
                run.loss = notice
                if run.is_lost:
                    self._settle_loss(run)

    def _settle_loss(self, run: Live) -> None:
        """Decide about a run whose shim has gone: wait for the spawner's word, start it again, or call it failed."""
        if run.end is not None:
            return
        # Its spawner is dead too: nobody will send word.
        is_orphaned = run.generation != self.spawner.generation or not self.spawner.is_open
        if run.loss is None and not is_orphaned:
            return
        if run.loss is not None and run.loss.kind == NoticeKind.FORK_FAILED:
            self._end(run, outcome.not_started(run.launch, os.strerror(run.loss.status), run.loss.status))
        elif run.loss is not None and run.loss.kind == NoticeKind.THREADED:
            why = f"the process that forks runs has {run.loss.status} threads"
            self._end(run, outcome.not_started(run.launch, why))
        elif not run.said_hello and run.tries < MOST_TRIES:
            try:
                self._hand_over(run)
            except OSError as error:
                self.drop(run)
                self._end(run, outcome.not_started(run.launch, os.strerror(error.errno or 0), error.errno or 0))
        elif not run.said_hello:
            why = f"the process that starts runs died{self.spawner.last_words()}"
            self._end(run, outcome.not_started(run.launch, why))
        else:
            if is_orphaned:
                end_leftovers(self._mark, run=(run.launch.number, run.launch.attempt))
            status, survivor = (None, 0) if run.loss is None else (run.loss.status, run.loss.survivor)
            run.is_unkillable = bool(survivor)
            self._end(run, outcome.supervisor_lost(run.launch, status, time.monotonic() - run.began, survivor))

    def _end(self, run: Live, end: RunEnd) -> None:
        run.end = end
        self._ended(run)
