"""How a command is ended from outside: SIGTERM does what Ctrl-C does, with its own exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from focusgroup.scenarios.entry import WORDS, end_at_once


@dataclass(slots=True)
class Ending:
    """What was said from outside, if anything was."""

    number: int = signal.SIGINT

    @property
    def word(self) -> str:
        return WORDS[self.number]

    @property
    def code(self) -> int:
        """As shells count."""
        return 128 + self.number


@contextmanager
def one_way_to_end(ending: Ending) -> Iterator[None]:
    """Within the block both signals arrive as KeyboardInterrupt; before and after it they are what
    they were.

    A process that was told to treat one in another way keeps to that. For the main thread.
    """

    def terminated(_signal: int, _frame: FrameType | None) -> None:
        ending.number = signal.SIGTERM
        signal.raise_signal(signal.SIGINT)

    interrupt, terminate = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        if interrupt is end_at_once:
            # The event loop knows how to wind up after this one.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if terminate in (end_at_once, signal.SIG_DFL):
            signal.signal(signal.SIGTERM, terminated)
        yield
    finally:
        if terminate in (end_at_once, signal.SIG_DFL):
            signal.signal(signal.SIGTERM, terminate)
        if interrupt is end_at_once:
            signal.signal(signal.SIGINT, interrupt)


def ended_from_outside(error: BaseException) -> bool:
    """Whether a KeyboardInterrupt is behind it: typer makes an exit of its own of one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
