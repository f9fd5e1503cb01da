"""The alternatives of an answer's first token, whichever engine computed them."""

from __future__ import annotations

from collections.abc import Iterable

# vLLM gives tokens that a grammar forbids this log-probability, other engines minus infinity.
MASKED = -9999.0

Alternatives = tuple[tuple[str, float], ...]


def likeliest_first(
    pairs: Iterable[tuple[str, float | None]], most: int | None = None
) -> Alternatives | None:
    """(token, natural log-probability), likeliest first, at most `most` of them.

    Tokens that a grammar has masked are left out; None if nothing is left.
    """
    possible = [
        (token, logprob) for token, logprob in pairs if logprob is not None and logprob > MASKED
    ]
    return tuple(sorted(possible, key=lambda pair: (-pair[1], pair[0]))[:most]) or None
