"""Texts of strangers: `payloads.yaml` as parameters. A test that takes `payload` runs for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml


@dataclass(frozen=True)
class Payload:
    """One text, and what it tries."""

    kind: str
    name: str
    text: str


def _text(raw: str | dict[str, object]) -> str:
    if isinstance(raw, str):
        return raw
    text, times = str(raw["text"]), int(str(raw["times"]))
    return f"{raw.get('start', '')}{text * times}{raw.get('end', '')}"


def load_payloads() -> tuple[Payload, ...]:
    """All of them, in the order of the file."""
    path = Path(__file__).with_name("payloads.yaml")
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(
        Payload(kind, name, _text(raw))
        for kind, texts in groups.items()
        for name, raw in texts.items()
    )


PAYLOADS = load_payloads()


@pytest.fixture(scope="session")
def payloads() -> tuple[Payload, ...]:
    return PAYLOADS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "payload" in metafunc.fixturenames:
        ids = [f"{one.kind}-{one.name}".replace(" ", "_") for one in PAYLOADS]
        metafunc.parametrize("payload", PAYLOADS, ids=ids)
