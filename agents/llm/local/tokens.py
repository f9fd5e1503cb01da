"""Exact token counts of a GGUF model: llama.cpp's own template and tokenizer, asked in process.

xllamacpp has no call for either, but its server answers `/apply-template` and `/tokenize` on the
loopback port that it opens anyway.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from pydantic import BaseModel

from focusgroup.agents.llm.protocol import Message, TransportError

_SECONDS = 60.0  # a busy machine; the work itself takes milliseconds


class _Prompt(BaseModel):
    prompt: str


class _Tokens(BaseModel):
    tokens: list[int]


class LlamaTokens:
    """The tokens of a llama.cpp server's model; safe from several threads.

    Args:
        address: ``http://HOST:PORT`` of the server.
        key: what it wants as a bearer token.
    """

    def __init__(self, address: str, key: str) -> None:
        self._host = urlsplit(address).netloc
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The token ids of the prompt that these messages become, chat template included.

        Raises:
            TransportError: the server is gone, or refused the messages.
        """
        said = [{"role": m.role, "content": m.content} for m in messages]
        prompt = _Prompt.model_validate_json(self._post("/apply-template", {"messages": said}))
        # As the server reads a chat prompt itself: with its own marks, which the template writes.
        return self._ids({"content": prompt.prompt, "add_special": True, "parse_special": True})

    def text_ids(self, text: str) -> list[int]:
        """The token ids of a text on its own, without marks of beginning or end.

        Raises:
            TransportError: the server is gone.
        """
        return self._ids({"content": text, "add_special": False, "parse_special": False})

    def _ids(self, body: dict[str, object]) -> list[int]:
        return _Tokens.model_validate_json(self._post("/tokenize", body)).tokens

    def _post(self, path: str, body: dict[str, object]) -> bytes:
        # A connection a call: on the loopback it costs nothing, and none is found dead when idle.
        connection = HTTPConnection(self._host, timeout=_SECONDS)
        try:
            connection.request("POST", path, json.dumps(body), self._headers)
            reply = connection.getresponse()
            said = reply.read()
        except (OSError, HTTPException) as error:
            raise TransportError(f"llama.cpp counted no tokens: {error!r}") from error
        finally:
            connection.close()
        if reply.status != 200:
            raise TransportError(f"llama.cpp counted no tokens: {said[:200]!r}")
        return said
