"""Fixtures of the language-model tests: the misbehaving server, requests, a fresh journal."""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

from focusgroup.agents.llm import CompletionRequest, Journal, Message
from focusgroup.agents.llm.openai import OpenAILLM


class Server(Protocol):
    """The handle that tests/fake_server.py gives."""

    origin: str
    url: str

    def order(self, kind: str, times: int | None = 1) -> None: ...
    def behave(self) -> None: ...
    def seen(self) -> list[dict[str, object]]: ...
    def stop(self) -> None: ...


class RawServer(Protocol):
    def __call__(
        self, head: bytes, *, endless: bool = False
    ) -> AbstractContextManager[tuple[str, Callable[[], int]]]: ...


class StartServer(Protocol):
    def __call__(self, *options: str) -> AbstractContextManager[Server]: ...


@pytest.fixture(scope="session")
def fake_server_module() -> ModuleType:
    """tests/fake_server.py, loaded by its path: tests are no package."""
    path = Path(__file__).resolve().parents[2] / "fake_server.py"
    spec = importlib.util.spec_from_file_location("focusgroup_fake_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def start_server(fake_server_module: ModuleType) -> StartServer:
    """Starts a server process with command line options; a context manager."""
    start: StartServer = fake_server_module.running
    return start


@pytest.fixture(scope="session")
def _shared_server(start_server: StartServer) -> Iterator[Server]:
    with start_server() as server:
        yield server


@pytest.fixture
def server(_shared_server: Server) -> Server:
    """One server process for all tests, without orders."""
    _shared_server.behave()
    return _shared_server


@pytest.fixture
def model(server: Server) -> OpenAILLM:
    """The client of that server."""
    return OpenAILLM("demo-model", server.url, timeout=5)


@pytest.fixture
def raw_server() -> RawServer:
    """A socket that answers each connection with given bytes, and then as many more as are read."""

    @contextmanager
    def serve(head: bytes, *, endless: bool = False) -> Iterator[tuple[str, Callable[[], int]]]:
        sent = 0

        def answer(listener: socket.socket) -> None:
            nonlocal sent
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(head)
                    while endless:
                        sent += connection.send(b" " * (1 << 16))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=answer, args=(listener,), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", lambda: sent
            thread.join(timeout=10)

    return serve


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def request_one() -> CompletionRequest:
    return CompletionRequest((Message("system", "You are Ana."), Message("user", "The page:")))
