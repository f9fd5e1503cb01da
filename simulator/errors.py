"""Every error this project raises on purpose.

FocusgroupError
├── UserError        the person can fix it: bad file, typo, missing extra. CLI: one line, exit 2
├── TurnFailed       one user could not answer one page: recorded as data, siblings go on
└── RunStopped       the run ends early and can be resumed: budget spent, server gone. CLI: exit 3
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum


class FocusgroupError(Exception):
    """Base of all errors raised on purpose."""


class UserError(FocusgroupError):
    """Bad input. The message says what, where, what was expected and what to do."""


class RunStopped(FocusgroupError):
    """The run stopped before its end; what is stored can be resumed."""


class FailureCause(StrEnum):
    """Why a page was not answered; the value is the name it is stored and counted by."""

    EMPTY = "empty"
    TRUNCATED = "truncated"  # cut by the token limit
    NOT_JSON = "not_json"
    WRONG_ITEM = "wrong_item"  # a number that is not on the page
    DUPLICATE_ITEM = "duplicate_item"
    OUT_OF_SCHEMA = "out_of_schema"
    TOOL_CALL = "tool_call"  # a tool was called and nothing said
    NO_LOGPROBS = "no_logprobs"
    # No answer came: one for each `TransportKind` of the language models.
    TRANSPORT_REFUSED = "transport_refused"
    TRANSPORT_TIMEOUT = "transport_timeout"
    TRANSPORT_DROPPED = "transport_dropped"
    TRANSPORT_BUSY = "transport_busy"
    TRANSPORT_STATUS = "transport_status"
    TRANSPORT_MALFORMED = "transport_malformed"
    TRANSPORT_TOO_LARGE = "transport_too_large"
    TRANSPORT_ENGINE = "transport_engine"
    TRANSPORT = "transport"  # in runs stored before the kinds were told apart
    RECOMMENDER = "recommender"
    AGENT = "agent"

    @property
    def unanswered(self) -> bool:
        """Whether no answer came at all, as opposed to one that cannot be used."""
        return self.value.startswith("transport")


class TurnFailed(FocusgroupError):
    """A page went unanswered.

    Args:
        cause: the class of failure, counted in every table.
        detail: what happened, for a reader (at most a few hundred characters).
        completion_keys: journal keys of the completions that were tried.
    """

    def __init__(
        self, cause: FailureCause, detail: str, completion_keys: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail[:500]
        self.completion_keys = completion_keys


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to append to an error: ``" Did you mean 'als'?"``, or the list of what is known."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(options)}." if options else ""
