"""Keeps linear algebra on one thread.

How BLAS splits a product over threads changes its last bits from machine to machine, and implicit
warns that nested thread pools make training up to ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# Loads the BLAS that scipy brings, so that the controller below finds it.
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Runs the block with one BLAS thread, and restores what was set before."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
