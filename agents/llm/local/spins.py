"""How long the threads of a model wait before they sleep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def short_spins() -> Iterator[None]:
    """Import a library that computes with OpenMP (GNU's: llama.cpp, torch) within this.

    OpenMP reads the variable once, when it is loaded.

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
