"""How many requests queue at a server, from the metrics it exposes (Prometheus text)."""

from __future__ import annotations

import re

# vLLM, SGLang and llama.cpp; a server with several engines has a line for each.
_QUEUED = re.compile(
    rb"^(?:vllm:num_requests_waiting|sglang:num_queue_reqs|llamacpp:requests_deferred)"
    rb"(?:\{[^}\n]*\})?\s+([0-9.eE+]+)",
    re.MULTILINE,
)


def queue_length(metrics: bytes) -> int | None:
    """Requests that wait, over all engines of the server, or None where the text has none."""
    try:
        found = [float(value) for value in _QUEUED.findall(metrics)]
    except ValueError:
        return None
    return round(sum(found)) if found else None
