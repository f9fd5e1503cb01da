"""Fixtures of the language-model tests: the misbehaving server, requests, a fresh journal."""

from __future__ import annotations

import asyncio
import importlib.util
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import pytest

from focusgroup.agents.llm import Capabilities, Completion, CompletionRequest, Journal, Message
from focusgroup.agents.llm.server.openai import OpenAILLM

T = TypeVar("T")


class Server(Protocol):
    """The handle that tests/fake_server.py gives."""

    origin: str
    url: str

    def order(self, kind: str, times: int | None = 1) -> None: ...
    def behave(self) -> None: ...
    def seen(self) -> list[dict[str, object]]: ...
    def stop(self) -> None: ...


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


class Jump(selectors.DefaultSelector):
    """Waits for nothing: where nothing is ready, the loop's clock jumps to what comes next."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock goes by what is awaited, so that hours of waiting take no time."""

    def __init__(self) -> None:
        selector = Jump()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class InNoTime(Protocol):
    def __call__(self, main: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T: ...


@pytest.fixture
def in_no_time() -> InNoTime:
    """Runs `main(clock)` on a loop whose clock is moved by its own sleeps."""

    def run(main: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
        loop = VirtualLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main(loop.time))

    return run


class Served:
    """A served model by script: `answer(request, now)` gives a text, seconds and a text, or raises
    a TransportError; `ping_answer(now)` may raise one too.

    Attributes:
        asked: (when, request) of every call. pings: when each came.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        answer: Callable[[CompletionRequest, float], str | tuple[float, str]],
        *,
        ping: Callable[[float], None] = lambda now: None,
        url: str = "http://one:8000/v1",
        queue: Callable[[float], int | None] = lambda now: None,
        able: Callable[[], Capabilities] = lambda: Capabilities(True, True),
    ) -> None:
        self.url, self.fingerprint = url, "model"
        self.asked: list[tuple[float, CompletionRequest]] = []
        self.pings: list[float] = []
        self.in_flight = self.most_in_flight = 0
        self._clock, self._answer, self._ping, self._queue = clock, answer, ping, queue
        self._able = able

    async def complete(self, request: CompletionRequest) -> Completion:
        self.asked.append((self._clock(), request))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            said = self._answer(request, self._clock())
            if isinstance(said, tuple):
                await asyncio.sleep(said[0])
                said = said[1]
            return Completion(said)
        finally:
            self.in_flight -= 1

    async def probe(self) -> Capabilities:
        return self._able()

    async def capabilities(self) -> Capabilities:
        return self._able()

    async def ping(self, within: float) -> None:
        self.pings.append(self._clock())
        self._ping(self._clock())

    async def waiting(self) -> int | None:
        return self._queue(self._clock())

    async def aclose(self) -> None:
        self.closed = True

    @staticmethod
    def ask_of(person: int) -> CompletionRequest:
        """A call of this person."""
        return CompletionRequest((Message("system", f"person {person}"), Message("user", "page")))

    @staticmethod
    def failing(error: Exception, until: float) -> Callable[[CompletionRequest, float], Any]:
        """An `answer` that raises until this moment, and is given from then on."""

        def answer(request: CompletionRequest, now: float) -> tuple[float, str]:
            if now < until:
                raise error
            return 0.1, "yes"

        return answer

    @staticmethod
    async def outcomes(model: Any, requests: Sequence[CompletionRequest]) -> list[Any]:
        """What becomes of calls made at once: completions and errors."""
        return await asyncio.gather(*map(model.complete, requests), return_exceptions=True)


@pytest.fixture
def served() -> type[Served]:
    return Served


class RawServer:
    """A socket that answers one request with given bytes, and then with as many more as are read.

    Attributes:
        request: what it was sent. sent: bytes it could send beyond the head.
    """

    def __init__(self) -> None:
        self.request = b""
        self.sent = 0

    def answer(self, listener: socket.socket, head: bytes, endless: bool) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                self.request = connection.recv(1 << 16)
                connection.sendall(head)
                while endless:
                    self.sent += connection.send(b" " * (1 << 16))


class StartRawServer(Protocol):
    def __call__(
        self, head: bytes, *, endless: bool = False
    ) -> AbstractContextManager[tuple[str, RawServer]]: ...


@pytest.fixture
def raw_server() -> StartRawServer:
    """Starts a raw server; gives its base URL and the server."""

    @contextmanager
    def serve(head: bytes, *, endless: bool = False) -> Iterator[tuple[str, RawServer]]:
        server = RawServer()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=server.answer, args=(listener, head, endless))
            thread.daemon = True
            thread.start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", server
            thread.join(timeout=10)

    return serve


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def request_one() -> CompletionRequest:
    return CompletionRequest((Message("system", "You are Ana."), Message("user", "The page:")))
