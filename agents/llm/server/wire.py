"""HTTP to a model server: JSON out, bounded bytes in, every failure by name."""

from __future__ import annotations

import email.utils
import math
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp

from focusgroup.agents.llm.protocol import TransportError, TransportKind
from focusgroup.simulator.errors import UserError

from .secrets import Secrets

REPLY_LIMIT = 10_000_000  # bytes
_CONNECT_TIMEOUT = 10.0
# uvicorn, and so vLLM, closes what was idle for 5 s; a connection it is about to close is no use.
_IDLE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        retry_after: seconds it asks to be left alone, or None.
    """

    status: int
    body: bytes
    retry_after: float | None = None

    @property
    def words(self) -> str:
        """The beginning of the body in one line, for a message."""
        text = self.body[:2000].decode(errors="replace")
        return " ".join(text.split())[:300] or "no reason given"


class Wire:
    """Connections to one server, kept open between calls. Nothing is asked twice, no redirect is
    followed. Proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).

    Args:
        url: what the paths of calls are appended to.
        key: sent as bearer token; never part of an error.
        timeout: seconds for a whole call.
        headers: sent with every call.

    Raises:
        UserError: the environment names a proxy that does not speak HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        timeout: float = 120.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self._proxy = proxy_of(url)
        self._timeout = timeout
        self._secrets = Secrets([key, _password(self._proxy) or ""])
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._headers.update(headers or {})
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection holds a key and stays in its process")

    async def post(self, path: str, body: bytes, *, within: float | None = None) -> Answer:
        """POST JSON. Raises TransportError: refused, timeout, dropped, malformed, too large."""
        return await self._call("POST", self.url + path, body, within or self._timeout)

    async def get(self, path: str) -> Answer:
        """GET. Raises TransportError as `post`."""
        return await self._call("GET", self.url + path, None, self._timeout)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def clean(self, text: str) -> str:
        """The text without key and proxy password, wherever a server may have quoted them."""
        return self._secrets.out_of(text)

    def cause(self, error: BaseException | None) -> BaseException | None:
        """The error, unless it shows a secret."""
        return None if self._secrets.shown_in(f"{error!s}{error!r}") else error

    async def _call(self, method: str, url: str, body: bytes | None, timeout: float) -> Answer:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, _CONNECT_TIMEOUT))
        try:
            async with self._opened().request(
                method,
                url,
                data=body,
                headers=self._headers,
                proxy=self._proxy,
                timeout=limits,
                allow_redirects=False,
            ) as reply:
                body_said = self._secrets.out_of_body(await _read(reply))
                return Answer(reply.status, body_said, retry_after(reply.headers))
        except aiohttp.ConnectionTimeoutError as error:
            self._failed(TransportKind.REFUSED, "no connection could be made in time", error)
        except TimeoutError as error:
            self._failed(TransportKind.TIMEOUT, f"no answer within {timeout:g} s", error)
        except aiohttp.ClientConnectorError as error:
            self._failed(TransportKind.REFUSED, f"no connection: {_why(error)}", error)
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            self._failed(TransportKind.MALFORMED, f"the reply is no HTTP: {error}", error)
        except (aiohttp.ClientError, OSError) as error:
            said = str(error) or type(error).__name__
            self._failed(TransportKind.DROPPED, f"the connection broke: {said}", error)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # How many calls there are at once is for others to say.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _failed(self, kind: TransportKind, detail: str, error: BaseException) -> NoReturn:
        raise TransportError(self.clean(f"{self.url}: {detail}"), kind) from self.cause(error)


def _why(error: aiohttp.ClientConnectorError) -> str:
    """What the system says, in its own words."""
    if isinstance(error, aiohttp.ClientSSLError):
        return str(error)
    cause = error.os_error
    if cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return cause.strerror or str(cause)


async def _read(reply: aiohttp.ClientResponse) -> bytes:
    """The body, or TransportError once it is beyond the limit; the rest is never read."""
    parts, size = [], 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > REPLY_LIMIT:
            reply.close()
            raise TransportError(
                f"{reply.url}: a reply of more than {REPLY_LIMIT // 1_000_000} MB was cut off",
                TransportKind.TOO_LARGE,
            )
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after-ms` or `Retry-After` (a number, or a date beside the reply's own).

    A header that says nothing usable is none.
    """
    for name, scale in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        try:
            seconds = float(headers[name]) * scale
        except (KeyError, ValueError):
            continue
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    try:
        until = email.utils.parsedate_to_datetime(headers["Retry-After"])
        now = email.utils.parsedate_to_datetime(headers["Date"])
        return max(0.0, (until - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def proxy_of(url: str) -> str | None:
    """The proxy the environment names for this URL. Raises UserError for one that is not HTTP."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    scheme = urlsplit(proxy).scheme
    if scheme not in ("http", "https"):
        raise UserError(
            f"the environment names a {scheme} proxy for {url}; set {parts.scheme.upper()}_PROXY to"
            f" an HTTP proxy, or name {parts.hostname} in NO_PROXY"
        )
    return proxy


def check_url(url: str) -> None:
    """Raises UserError for what is no plain URL of a server; what may be secret is not repeated."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts = None
    if parts is None:  # no `from error`: it repeats what it could not read
        raise UserError("--llm openai: what follows the model is no URL; write http://HOST:PORT/v1")
    if "@" in url or parts.query or parts.fragment or "?" in url or "#" in url:
        raise UserError(
            "--llm openai: a URL holds a user name, a password or a query, and it would be written"
            " into the run; name the bare URL, and put the key into an environment variable"
            " (--key-env, OPENAI_API_KEY by default)"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits:
        raise UserError(f"{url!r} is no URL of a server; write http://HOST:PORT/v1")


def _password(proxy: str | None) -> str:
    return (urlsplit(proxy).password or "") if proxy else ""
