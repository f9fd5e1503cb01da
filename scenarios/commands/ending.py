"""How a command is ended from outside: SIGTERM does what Ctrl-C does, with its own exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Ending:
    """What was said from outside, if anything was. `code`: as shells count, 128 + signal."""

    word: str = "interrupted"
    code: int = 128 + signal.SIGINT


@contextmanager
def one_way_to_end() -> Iterator[Ending]:
    """Within the block SIGTERM arrives as KeyboardInterrupt, where Ctrl-C would.

    A process that was told to treat SIGTERM in another way keeps to that. For the main thread.
    """
    ending = Ending()

    def terminated(_signal: int, _frame: FrameType | None) -> None:
        ending.word, ending.code = "terminated", 128 + signal.SIGTERM
        signal.raise_signal(signal.SIGINT)  # the event loop knows how to wind up after this one

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield ending
        return
    signal.signal(signal.SIGTERM, terminated)
    try:
        yield ending
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def ended_from_outside(error: BaseException) -> bool:
    """Whether a KeyboardInterrupt is behind it: typer makes an exit of its own of one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
