"""Servers by name: from `openai:MODEL@URL,URL` to a model that is asked well."""

from __future__ import annotations

import re

from focusgroup.agents.llm.options import LLMOptions
from focusgroup.simulator.errors import UserError

from .fleet import Fleet
from .openai import OpenAILLM
from .pace import PacedLLM
from .patience import PatientLLM
from .served import ServedLLM
from .wire import check_url

_BEFORE_URL = re.compile(r"@(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_HOST_WITHOUT_SCHEME = re.compile(r"(?:localhost|[\w.-]+:\d+)(?:/[\w./-]*|$)")
_PASSWORD = re.compile(r"@[^@/]*:[^@/]*@")
_EXAMPLE = "openai:Qwen/Qwen2.5-7B-Instruct@http://localhost:8000/v1"


def open_openai(target: str, options: LLMOptions) -> PatientLLM:
    """`openai:MODEL` (OpenAI's own server), `openai:MODEL@URL`, or `openai:MODEL@URL,URL,...`.

    Raises:
        UserError: the target is malformed, or a URL holds what should be secret.
    """
    model, urls = split_target(target)
    servers: list[ServedLLM] = []
    for url in urls or (None,):
        server = OpenAILLM(model, url, key_variable=options.key_variable, timeout=options.timeout)
        most = -(-options.concurrency // max(1, len(urls)))
        servers.append(PacedLLM(server, most=most))
    one = servers[0] if len(servers) == 1 else Fleet(model, servers)
    return PatientLLM(one, retries=options.retries, patience=options.patience)


def split_target(target: str) -> tuple[str, tuple[str, ...]]:
    """(model, URLs) of `MODEL[@URL[,URL...]]`; a model's name may hold slashes and @.

    Raises:
        UserError: no model, a URL without its scheme, or one that is no URL of a server. Messages
            repeat nothing that may be secret.
    """
    model, *rest = _BEFORE_URL.split(target, maxsplit=1)
    urls = tuple(url.strip() for url in rest[0].split(",")) if rest else ()
    if not rest:
        before, at, last = model.rpartition("@")
        if at and before and (host := _HOST_WITHOUT_SCHEME.match(last)):
            raise UserError(
                f"--llm openai: {host.group()!r} lacks its scheme; "
                f"write openai:MODEL@http://{host.group()}"
            )
        if _PASSWORD.search(model):
            raise UserError(
                "--llm openai: a URL without its scheme, and it seems to hold a password; write "
                "openai:MODEL@http://HOST:PORT/v1, and put the key into an environment variable"
            )
    if not model or "://" in model:
        raise UserError(
            f"--llm openai: no model is named; write openai:MODEL@URL, for example {_EXAMPLE}"
        )
    for url in urls:
        check_url(url)
    if len(set(urls)) < len(urls):
        raise UserError(f"--llm openai:{model}: the same URL is named twice; name each server once")
    return model, urls
