"""The least time a machine needs for a dense model's tokens, and what peaks machines have.

Prefill is bound by arithmetic, 2 operations a parameter and token; decoding by memory, for each
step reads every weight once, however many sequences it serves:

    prefill seconds = 2 * parameters * (prompt tokens not in the cache) / peak operations per second
    decode seconds  = bytes of weights * steps / memory bandwidth
    steps           = answer tokens / mean number of sequences in flight

The share of the roofline is the sum of both by the seconds measured. Attention and the reading of
its cache are left out, so the share is a little understated; a mixture of experts reads fewer
weights than it has, so there it is overstated.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from math import prod
from pathlib import Path

# Dense 16-bit operations and bytes, each per second, as the makers state them.
_CARDS = {
    "H200": (989e12, 4.8e12),
    "H100 NVL": (835e12, 3.9e12),
    "H100 PCIe": (756e12, 2.0e12),
    "H100": (989e12, 3.35e12),
    "A100-SXM4-80GB": (312e12, 2.039e12),
    "A100 80GB PCIe": (312e12, 1.935e12),
    "A100": (312e12, 1.555e12),
    "L40S": (362e12, 0.864e12),
    "L4": (121e12, 0.3e12),
    "RTX 4090": (165e12, 1.008e12),
}
_HEADER_LENGTH = 8


@dataclass(frozen=True)
class Peak:
    """What the machine could do: operations and bytes per second, over all cards used."""

    name: str
    operations: float
    bandwidth: float


@dataclass(frozen=True)
class Weights:
    """A model's size."""

    parameters: float
    bytes: float


@dataclass(frozen=True)
class Tokens:
    """What was computed: prompt tokens not in the cache, answer tokens, mean requests in flight."""

    prefill: int
    decode: int
    in_flight: float


def least_seconds(weights: Weights, tokens: Tokens, peak: Peak) -> float:
    """Seconds below which no engine can go; the formula stands above."""
    prefill = 2 * weights.parameters * tokens.prefill / peak.operations
    steps = tokens.decode / max(1.0, tokens.in_flight)
    return prefill + weights.bytes * steps / peak.bandwidth


def known_peak(cards: int) -> Peak | None:
    """Of this machine's graphics cards, if they are among the known."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    said = subprocess.run(
        [tool, "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    name = said.stdout.strip().split("\n")[0]
    for known, (operations, bandwidth) in _CARDS.items():
        if known in name:
            return Peak(f"{cards} x {name}", cards * operations, cards * bandwidth)
    return None


def folder_weights(folder: Path) -> Weights:
    """Read from the headers of the safetensors files."""
    parameters = size = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_HEADER_LENGTH), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        parameters += sum(prod(tensor["shape"]) for tensor in header.values())
        size += path.stat().st_size - _HEADER_LENGTH - length
    return Weights(parameters, size)
