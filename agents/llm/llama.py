"""llama.cpp loaded into this process: silent, closed to others, its threads asleep in waits."""

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
        with _sleeping_waits():
            import xllamacpp
    except ImportError as error:
        raise UserError(
            "the embedded model needs xllamacpp: pip install 'focusgroup[embedded]'"
        ) from error
    library: ModuleType = xllamacpp
    return library


@contextmanager
def _sleeping_waits() -> Iterator[None]:
    """OpenMP reads this once, when it is loaded. By default its threads spin while they wait for
    each other, which makes every token several times slower wherever something else needs a core:
    another process, or the simulation around the model.
    """
    variable = "OMP_WAIT_POLICY"
    if variable in os.environ:
        yield
        return
    os.environ[variable] = "passive"
    try:
        yield
    finally:
        del os.environ[variable]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
