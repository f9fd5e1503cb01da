"""Prompts: pure functions from persona, memory and page to messages, the same bytes every time.

The order keeps a server's prefix cache useful: static rules and the persona, the same for whatever
this person is asked; the task; what happened on this visit (only ever appended to, up to the number
of this page); then what was recalled for this page, then the page. What comes after the history is
new in every prompt, so it is short.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from focusgroup.simulator.domain import Domain
from focusgroup.simulator.types import Catalog, Item, LeaveReason, Slate

from .excerpt import excerpt, is_beginning
from .fence import fence
from .language import Language
from .llm.protocol import Message
from .memory import Memory, PageMemory, Remembered, favourite_attributes, recall
from .persona import Persona
from .persona_text import persona_text

TITLE_LIMIT = 90
TEXT_LIMIT = 400
PAGE_TEXT = 1000  # characters that the descriptions on one page share
RECALLED = 1  # earlier picks named beside a page: they change with it, so no cache holds them
_YEAR = re.compile(r"(?<!\s)\s*\(\d{4}\)$")  # from the first space of a run only: linear


@dataclass(frozen=True, slots=True)
class Prompter:
    """Writes the prompts of one language and domain."""

    language: Language
    domain: Domain

    def persona(self, persona: Persona) -> str:
        """The persona as a short stable text; what is unknown is left out."""
        return persona_text(self.language, persona)

    def answer(
        self,
        persona: Persona,
        memory: Memory,
        slate: Slate,
        order: Sequence[int],
        catalog: Catalog,
    ) -> tuple[Message, ...]:
        """The whole page in one call.

        Args:
            order: slot indices in the order they are numbered 1, 2, ... in the prompt.
        """
        say = self.language.phrase
        limit = max(TITLE_LIMIT // 2, min(TEXT_LIMIT, PAGE_TEXT // max(1, len(order))))
        numbered = [
            f"{number}. {self.item(catalog[slate.item_ids[slot]], limit)}"
            for number, slot in enumerate(order, start=1)
        ]
        lines = [
            *self._history(memory, catalog),
            say("page").format(len(memory.pages) + 1),
            *self._at_hand(memory, slate, catalog),
            "<<<",
            *numbered,
            ">>>",
        ]
        return self._messages("answer", persona, lines)

    def score(
        self, persona: Persona, memory: Memory, slate: Slate, slot: int, catalog: Catalog
    ) -> tuple[Message, ...]:
        """One item of the page, to be answered yes or no."""
        item = catalog[slate.item_ids[slot]]
        lines = [
            *self._history(memory, catalog),
            *self._at_hand(memory, slate, catalog),
            "<<<",
            self.item(item),
            ">>>",
            self.language.phrase("ask"),
        ]
        return self._messages("score", persona, lines)

    def review(self, persona: Persona, item: Item, stars: float | None) -> tuple[Message, ...]:
        """One item the person has had."""
        say = self.language.phrase
        lines = [
            say("had").format(_noun(self.language, self.domain)),
            "<<<",
            self.item(item),
            ">>>",
        ]
        if stars is not None:
            lines.append(say("rated").format(f"{stars:g}"))
        return self._messages("review", persona, lines)

    def interview(
        self, persona: Persona, memory: Memory, reason: LeaveReason, catalog: Catalog
    ) -> tuple[Message, ...]:
        """After the visit."""
        say = self.language.phrase
        lines = [self._page_line(page, catalog) for page in memory.pages]
        lines.append(say("left").format(say("leave_reasons", reason.value)))
        return self._messages("interview", persona, lines)

    def item(self, item: Item, limit: int = TEXT_LIMIT) -> str:
        """An item in one fenced line, with its price where there is one.

        Args:
            limit: characters of its description; an item that is nothing but its text, as a joke,
                has TEXT_LIMIT.
        """
        if is_beginning(item):
            text = fence(excerpt(item.description, TEXT_LIMIT), TEXT_LIMIT)
            if item.attributes:
                text = f"{text} ({fence(', '.join(item.attributes), TITLE_LIMIT)})"
        else:
            text = fence(item.text, TITLE_LIMIT + 60)
            if description := fence(excerpt(item.description, limit), limit):
                text = f"{text}. {description}"
        if item.price is not None and self.domain.has_prices:
            currency = self.domain.currency
            text = text if currency else f"{text},"  # a bare number needs a mark before it
            text = self.language.phrase("price").format(text, f"{currency}{item.price:.2f}")
        return text

    def _messages(
        self, template: str, persona: Persona, lines: Sequence[str]
    ) -> tuple[Message, ...]:
        task = _task(self.language, self.domain, template)
        person = self.language.templates["person"]
        return (
            Message("system", person + self.persona(persona)),
            Message("user", task + "\n".join(lines)),
        )

    def _history(self, memory: Memory, catalog: Catalog) -> list[str]:
        """Earlier visits, and this one page by page: only ever appended to."""
        say = self.language.phrase
        lines = []
        if memory.visits:
            mood = f"{1 + 4 * memory.satisfaction_before:.1f}"
            lines.append(
                say("visits").format(memory.visits, memory.pages_seen, len(memory.earlier), mood)
            )
            if favourites := favourite_attributes(memory, catalog):
                lines.append(
                    say("favourites").format(say("list").join(fence(f, 40) for f in favourites))
                )
        return [*lines, *(self._page_line(page, catalog) for page in memory.pages)]

    def _at_hand(self, memory: Memory, slate: Slate, catalog: Catalog) -> list[str]:
        """What bears on this page alone."""
        say = self.language.phrase
        lines = []
        if recalled := recall(memory, slate, catalog, RECALLED):
            lines.append(say("recalled").format(self._named(recalled, catalog)))
        if memory.fatigue > 0.5:
            lines.append(say("tired"))
        return lines

    def _page_line(self, page: PageMemory, catalog: Catalog) -> str:
        say = self.language.phrase
        picked = (
            say("picked").format(self._named(page.picked, catalog))
            if page.picked
            else say("nothing")
        )
        return f"{say('page').format(page.page + 1)} {picked}"

    def _named(self, remembered: Sequence[Remembered], catalog: Catalog) -> str:
        say = self.language.phrase
        names = []
        for one in remembered:
            title = catalog[one.item_id].title if one.item_id in catalog else one.item_id
            name = _recalled(title)
            if one.bought:
                name = say("bought").format(name)
            if one.stars is not None:
                name = say("stars").format(name, f"{one.stars:g}")
            names.append(name)
        return say("list").join(names)


@lru_cache
def _task(language: Language, domain: Domain, template: str) -> str:
    """What is asked, in this domain's words."""
    noun = _noun(language, domain)
    # To like, where everything shown was tried and some of it rejected.
    verb = "like" if domain.has_negatives else domain.click_verb
    return language.templates[template].format(
        item=noun,
        items=language.plural(noun),
        click=language.translate("verbs", verb),
        stars_rule=language.phrase("stars_rule") if domain.has_ratings else "",
        buy_rule=language.phrase("buy_rule") if domain.has_prices else "",
    )


def _noun(language: Language, domain: Domain) -> str:
    return language.translate("nouns", domain.item_noun)


@lru_cache(maxsize=16_384)
def _recalled(title: str) -> str:
    """A title as it is remembered: nobody remembers the year."""
    return fence(_YEAR.sub("", title) or title, 60)
