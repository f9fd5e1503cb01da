"""llama.cpp loaded into this process: silent, closed to others, its threads quick to sleep."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Protocol

from focusgroup.simulator.errors import UserError

from .spins import short_spins


class LlamaServer(Protocol):
    """What is used of xllamacpp's server: a blocking call, safe from several threads.

    Attributes:
        listening_address: of its loopback HTTP port, ``http://127.0.0.1:PORT``.
    """

    listening_address: str

    def handle_chat_completions(self, body: dict[str, object]) -> dict[str, object]: ...


def load_server(
    model: Path, *, slots: int, context: int, threads: int | None, prompt_cache_mib: int, key: str
) -> LlamaServer:
    """The model in memory, ready to be asked; arguments as of `EmbeddedLLM`.

    Args:
        key: a secret, without which its HTTP port answers nobody.

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
    params.api_keys = [key]
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
        with short_spins():
            import xllamacpp
    except ImportError as error:
        raise UserError(
            "the embedded model needs xllamacpp: pip install 'focusgroup[embedded]'"
        ) from error
    library: ModuleType = xllamacpp
    return library


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
