"""The way in: whoever ends the command while it is still being loaded is told so in one word."""

from __future__ import annotations

import os
import signal
from types import FrameType

WORDS = {int(signal.SIGINT): "interrupted", int(signal.SIGTERM): "terminated"}


def main() -> None:
    """The `focusgroup` command."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    for number, handler in usual.items():
        if signal.getsignal(number) is handler:  # else the process was told to treat it otherwise
            signal.signal(number, end_at_once)
    from .cli import main as command  # seconds

    command()


def end_at_once(number: int, _frame: FrameType | None) -> None:
    """Ends the process where nothing is begun that could be left in order."""
    try:
        os.write(2, f"{WORDS[number]}\n".encode())
    finally:
        os._exit(128 + number)
