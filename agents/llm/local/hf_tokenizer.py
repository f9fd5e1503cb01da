"""The tokenizer and chat template of a Hugging Face model: prompts as tokens, exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from focusgroup.agents.llm.protocol import Message
from focusgroup.simulator.errors import UserError

from .spins import short_spins


class HFTokenizer:
    """A TokenCounter.

    Args:
        thinking: what the chat template is told of `enable_thinking`, if its model knows the word.

    Attributes:
        raw: the tokenizer of `transformers`.

    Raises:
        UserError: no tokenizer in the folder, or one without a chat template.
    """

    def __init__(self, folder: Path, *, thinking: bool | None = None) -> None:
        try:
            # Somewhere in here torch is loaded.
            with short_spins():
                from transformers import AutoTokenizer

                self.raw: Any = AutoTokenizer.from_pretrained(str(folder))
        except (OSError, ValueError, ImportError) as error:
            said = " ".join(str(error).split())[:300]
            raise UserError(f"{folder}: no tokenizer can be read ({said})") from error
        if not self.raw.chat_template:
            raise UserError(
                f"{folder}: the tokenizer has no chat template; take the model's instruct or "
                "chat version"
            )
        self._extra: dict[str, Any] = {} if thinking is None else {"enable_thinking": thinking}

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens a model is given, up to where its answer begins.

        Raises:
            UserError: the chat template does not take these messages (say, a system role).
        """
        from jinja2.exceptions import TemplateError

        try:
            ids: list[int] = self.raw.apply_chat_template(
                [{"role": one.role, "content": one.content} for one in messages],
                add_generation_prompt=True,
                return_dict=False,
                **self._extra,
            )
        except TemplateError as error:
            raise UserError(f"the model's chat template refuses the messages: {error}") from error
        return ids

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return len(self.prompt(messages))

    def text_tokens(self, text: str) -> int:
        return len(self.raw.encode(text, add_special_tokens=False))

    def token_text(self, token: int) -> str:
        """A token as text; the alternatives of an answer's first token are named by it."""
        text: str = self.raw.decode([token])
        return text


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path, thinking: bool | None = None) -> HFTokenizer:
    """The tokenizer of a folder, read once; reading takes seconds."""
    return HFTokenizer(folder, thinking=thinking)
