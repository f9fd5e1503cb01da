"""llama.cpp's HTTP server with SmolLM2: `llama_server.py PORT CONTEXT`; ends with its stdin."""

from __future__ import annotations

import sys

from focusgroup.agents.llm import find_model
from focusgroup.agents.llm.local.spins import short_spins

SLOTS = 4


def main(port: int, context: int) -> None:
    """Serve until whoever started this closes its end."""
    with short_spins():
        import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(find_model("smollm2"))
    params.hostnames = ["127.0.0.1"]
    params.model_alias = {"smollm2"}
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * context
    params.use_jinja = True
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
