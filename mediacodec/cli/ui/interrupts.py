"""SIGINT and SIGTERM: the first stops at a packet boundary and takes back what was written, the second exits."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
GRACE_SECONDS = 1.0  # to reach a packet boundary; whoever waits for a pipe may never reach one


class Interrupted(BaseException):
    """The user or the system wants the program to end; no `except Exception` may stop it on its way."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interrupts:
    """Turns signals into one Interrupted, raised where it does no harm."""

    def __init__(self) -> None:
        self._pending: int | None = None
        self._waits = False
        self._holds = False
        self._count = 0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside the block, as they were handled before behind it."""
        if threading.current_thread() is not threading.main_thread():  # signals are the main thread's business
            yield
            return
        wanted: list[tuple[int, Handler]] = [(signal.SIGINT, self._receive), (signal.SIGTERM, self._receive)]
        if hasattr(signal, "SIGALRM"):
            wanted.append((signal.SIGALRM, self._give_up_waiting))
        # A signal that whoever started us had ignored (nohup, a shell's background job) stays ignored.
        before = [(n, signal.signal(n, h)) for n, h in wanted if signal.getsignal(n) is not signal.SIG_IGN]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    @contextlib.contextmanager
    def at_boundaries(self) -> Iterator[None]:
        """Inside the block a signal waits for the next `check`, but not longer than a second."""
        self._waits = hasattr(signal, "setitimer")
        try:
            yield
            self.check()
        finally:
            self._waits = self._holds = False
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)

    def hold(self) -> None:
        """From here to the end of the block of `at_boundaries` a first signal is only noted (see `noted`): there is
        something worth finishing. A second one raises Interrupted wherever it comes, a third exits."""
        if not self._holds:
            self.raise_noted()
        self._holds = True

    @property
    def noted(self) -> bool:
        """Whether a signal came."""
        return self._pending is not None

    def check(self) -> None:
        """Raise Interrupted if a signal came, unless it is only to be noted."""
        if not self._holds:
            self.raise_noted()

    def raise_noted(self) -> None:
        """Raise Interrupted if a signal came."""
        if self._pending is not None:
            raise Interrupted(self._pending)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._count += 1
        if self._count > (2 if self._holds else 1):
            os._exit(128 + number)
        again, self._pending = self._count > 1, number
        if again or not (self._waits or self._holds):
            raise Interrupted(number)
        if self._holds:
            return
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _give_up_waiting(self, _: int, __: FrameType | None) -> None:
        self.check()
