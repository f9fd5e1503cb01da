"""What may be said about a model beside its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LLMOptions:
    """Options of all backends; each reads its own.

    Attributes:
        key_variable: environment variable that holds the key of an OpenAI-compatible server.
        timeout: seconds to wait for one answer of a server.
        retries: how often a server is asked again after no answer, 429 or 5xx.
        patience: seconds without any answer of the server after which the run stops; until then
            calls wait for it to come back.
        concurrency: most calls to servers at once, over all of a model's servers; how many there
            are follows what the servers bear.
        slots: requests an embedded model answers at once.
        context: tokens of prompt and answer in each slot of an embedded model.
        threads: cores of an embedded model; None for all.
    """

    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    retries: int = 3
    patience: float = 120.0
    concurrency: int = 256
    slots: int = 2
    context: int = 2048
    threads: int | None = None
