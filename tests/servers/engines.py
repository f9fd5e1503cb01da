"""The engines of the suite: how each is started, and what `--llm` calls it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
MODEL = (
    Path(os.environ.get("VLLM_VENV", HERE.parents[1] / ".venv-vllm")).resolve() / "models/smollm2"
)
CONTEXT = 4096
# A seeded request kills an engine that cuts prompts into chunks, on a processor.
VLLM_FLAGS = [
    *("--model", str(MODEL), "--served-model-name", "smollm2", "--host", "127.0.0.1"),
    *("--max-model-len", str(CONTEXT), "--max-num-seqs", "16", "--enforce-eager"),
    *("--no-enable-chunked-prefill", "--max-num-batched-tokens", "16384"),
    *("--enable-prefix-caching", "--enable-prompt-tokens-details"),
    *("--structured-outputs-config", '{"backend":"xgrammar","disable_any_whitespace":true}'),
]
# Small enough for a shared machine; whoever has set another is obeyed.
SURROUNDINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": f"0-{(os.cpu_count() or 1) - 1}",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
STARTS_WITHIN = 900.0


def surroundings() -> dict[str, str]:
    """The environment in which engines run."""
    return {**SURROUNDINGS, **os.environ}


@contextmanager
def vllm_http() -> Iterator[str]:
    """vLLM's own server. Yields the `--llm` that names it."""
    port = _free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *VLLM_FLAGS]
    with _serving([*command, "--port", str(port)], port):
        yield f"openai:smollm2@http://127.0.0.1:{port}/v1"


@contextmanager
def llama_http() -> Iterator[str]:
    """llama.cpp's server, in a process of its own."""
    port = _free_port()
    with _serving([sys.executable, str(HERE / "llama_server.py"), str(port), str(CONTEXT)], port):
        yield f"openai:smollm2@http://127.0.0.1:{port}/v1"


@contextmanager
def in_process(spec: str) -> Iterator[str]:
    """An engine that whoever opens it starts."""
    yield spec


ENGINES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "vllm_http": vllm_http,
    "vllm": lambda: in_process(
        f"vllm:{MODEL}?max_model_len={CONTEXT}&max_num_seqs=16&enforce_eager=true"
    ),
    "llama_http": llama_http,
    "embedded": lambda: in_process("embedded"),
    "transformers": lambda: in_process(f"transformers:{MODEL}"),
}


@contextmanager
def _serving(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, env=surroundings(), stdin=subprocess.PIPE) as server:
        try:
            ends = time.monotonic() + STARTS_WITHIN
            while not _healthy(port):
                if server.poll() is not None:
                    raise RuntimeError(f"{command[:3]} ended with {server.returncode}")
                if time.monotonic() > ends:
                    raise RuntimeError(f"{command[:3]} did not start in {STARTS_WITHIN:.0f} s")
                time.sleep(0.5)
            yield
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
