"""The words of one language: prompt templates and phrases, read from the package's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

import yaml

from focusgroup.simulator.errors import UserError, did_you_mean

Phrases = Mapping[str, "str | list[str] | Phrases"]


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """Templates (`answer.md`, ...) and phrases (`words.yaml`) of one language."""

    name: str
    templates: Mapping[str, str]
    phrases: Phrases
    _by_path: dict[tuple[str, ...], str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Phrases are looked up some thirty times a page.
        object.__setattr__(self, "_by_path", dict(_paths(self.phrases)))

    def phrase(self, *path: str) -> str:
        """The phrase at this path. Raises KeyError if a language file lacks it."""
        return self._by_path[path]

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words: what counts as yes, or as no."""
        found = self.phrases[key]
        return tuple(found) if isinstance(found, list) else ()

    def translate(self, kind: str, word: str) -> str:
        """A domain's noun or verb in this language; the word itself if the language has none."""
        known = self.phrases[kind]
        found = known.get(word, word) if isinstance(known, Mapping) else word
        return found if isinstance(found, str) else word

    def plural(self, noun: str) -> str:
        """Several of what the noun (already in this language) names."""
        named = self.translate("plurals", noun)
        return self.phrase("plural").format(noun) if named == noun else named


def _paths(phrases: Phrases, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, node in phrases.items():
        if isinstance(node, str):
            yield (*above, key), node
        elif isinstance(node, Mapping):
            yield from _paths(node, (*above, key))


@lru_cache
def load_language(name: str) -> Language:
    """A language by its code. Raises UserError if there are no prompts in it."""
    root = resources.files("focusgroup.agents") / "prompts"
    known = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    if name not in known:
        raise UserError(f"language: no prompts in {name!r}.{did_you_mean(name, known)}")
    folder = root / name
    templates = {
        entry.name.removesuffix(".md"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".md")
    }
    phrases = yaml.safe_load((folder / "words.yaml").read_text(encoding="utf-8"))
    return Language(name, templates, phrases)
