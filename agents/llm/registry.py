"""The `--llm` grammar: which backend, which model. A new backend is one file and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

from focusgroup.simulator.errors import UserError, did_you_mean

from .options import LLMOptions
from .protocol import LLM

GROUP = "focusgroup.backends"
GRAMMAR = (
    "embedded | embedded:PATH | embedded:hf:OWNER/REPO/FILE | openai:MODEL@URL[,URL...] | "
    "vllm:MODEL[?option=value&...] | transformers:MODEL[?option=value&...] | none"
)

# module:function of an opener, imported only when it is asked for.
_BACKENDS = {
    "embedded": "focusgroup.agents.llm.local.embedded:open_embedded",
    "openai": "focusgroup.agents.llm.server.servers:open_openai",
    "transformers": "focusgroup.agents.llm.local.transformers:open_transformers",
    "vllm": "focusgroup.agents.llm.local.vllm:open_vllm",
}

_WORD = re.compile(r"[\w.+-]{0,40}")

Opener = Callable[[str, LLMOptions], LLM]


@dataclass(frozen=True, slots=True)
class LLMSpec:
    """A backend and what it is to open; prints as it is written after `--llm`."""

    backend: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.backend}:{self.target}" if self.target else self.backend


def parse_llm(text: str) -> LLMSpec | None:
    """What `--llm` says; None for `none`, users without a language model.

    Raises:
        UserError: no such backend.
    """
    backend, _, target = text.strip().partition(":")
    if backend == "none" and not target:
        return None
    known = _known()
    if backend not in known:
        hint = did_you_mean(backend, [*known, "none"])
        # The rest may be a URL with a password in it, and so may a word that is no word.
        named = f"{backend!r}" if _WORD.fullmatch(backend) else "of that name"
        raise UserError(f"--llm: no backend {named}.{hint} Write {GRAMMAR}")
    return LLMSpec(backend, target)


def servers_of(spec: LLMSpec) -> tuple[LLMSpec, ...]:
    """One spec a server, where several stand behind one name; else the spec itself."""
    if spec.backend != "openai":
        return (spec,)
    from .server.servers import split_target  # HTTP is loaded where it is spoken

    model, urls = split_target(spec.target)
    if len(urls) < 2:
        return (spec,)
    return tuple(LLMSpec(spec.backend, f"{model}@{url}") for url in urls)


def open_llm(spec: LLMSpec, options: LLMOptions | None = None) -> LLM:
    """The model, ready to be asked; whether a server answers is for `capabilities()` to say.

    Raises:
        UserError: the backend cannot open it: a missing extra, file or key, a malformed name.
    """
    known = _known()
    if spec.backend not in known:
        raise UserError(
            f"no backend {spec.backend!r}.{did_you_mean(spec.backend, known)} Write {GRAMMAR}"
        )
    return _load(spec.backend, known[spec.backend])(spec.target, options or LLMOptions())


def _known() -> Mapping[str, str]:
    """Ours win over installed ones of the same name."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)} | _BACKENDS


def _load(name: str, reference: str) -> Opener:
    module, _, function = reference.partition(":")
    try:
        opener: Opener = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"backend {name!r} cannot be loaded from {reference}: {error}; reinstall its package"
        ) from error
    return opener
