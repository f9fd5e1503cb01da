"""llama.cpp loaded into this process: silent, closed to others, its threads quick to sleep."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol

from focusgroup.simulator.errors import UserError


class LlamaServer(Protocol):
    """What is used of xllamacpp's server: a blocking call, safe from several threads."""

    def handle_chat_completions(self, body: dict[str, object]) -> dict[str, object]: ...


def load_server(
    model: Path, *, slots: int, context: int, threads: int | None, prompt_cache_mib: int
) -> LlamaServer:
    """The model in memory, ready to be asked; arguments as of `EmbeddedLLM`.

    Raises:
        UserError: xllamacpp is not installed, or the file cannot be loaded.
    """
    llama = _library()
    params = llama.CommonParams()
    params.model.path = str(model)
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or _cores()
    params.cache_ram_mib = prompt_cache_mib
    params.warmup = False
    params.use_jinja = True
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    # llama.cpp listens on a loopback port even when it is called in process: nobody else may ask.
    params.api_keys = [secrets.token_urlsafe(32)]
    try:
        server: LlamaServer = llama.Server(params)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{model}: llama.cpp cannot load this model ({error}); is the file whole, a chat "
            "model, and does it fit in memory?"
        ) from error
    return server


def _library() -> ModuleType:
    try:
        with _short_spins():
            import xllamacpp
    except ImportError as error:
        raise UserError(
            "the embedded model needs xllamacpp: pip install 'focusgroup[embedded]'"
        ) from error
    library: ModuleType = xllamacpp
    return library


@contextmanager
def _short_spins() -> Iterator[None]:
    """OpenMP (GNU's, which xllamacpp uses) reads this once, when it is loaded.

    Its threads wait for each other hundreds of times a token, and by default they spin for long
    before they sleep: wherever something else needs a core, another process or the simulation
    around the model, every token takes several times longer. A thousand turns cost nothing on an
    idle machine (90 against 92 pages a minute on 2 cores) and keep a busy one moving (33 against
    9). Whoever has set either variable is obeyed.
    """
    variable = "GOMP_SPINCOUNT"
    if variable in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ[variable] = "1000"
    try:
        yield
    finally:
        del os.environ[variable]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
