"""A small cinema to measure in: films, people with tastes, pages, all of it made up."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from focusgroup.agents import LLMUser, OwnWord, Persona, Prompter, load_language
from focusgroup.agents.answer import Answer
from focusgroup.agents.llm import LLM
from focusgroup.agents.persona import Level, RatingHabit
from focusgroup.simulator import Audience, Catalog, Item, RecRequest, Slate
from focusgroup.simulator.domain import Domain

FILMS = Domain("movies", item_noun="film", click_verb="watch", has_ratings=True)
_WORDS = re.findall(
    r"\w+",
    "Silent River Night Harbour Stone Garden Last Winter Broken Mirror Red Lantern Paper Moon Iron"
    " Valley Lost Summer Glass House Second Train Hidden Letter White Shore Old Bridge Burning Sky",
)
_GENRES = ("Drama", "Comedy", "Thriller", "Romance", "Crime", "Sci-Fi", "War", "Mystery")


def catalog(films: int = 1000) -> Catalog:
    """Films with titles, years and genres as long as those of real ones."""
    draw = np.random.default_rng(0)
    items = {}
    for n in range(films):
        words = draw.choice(_WORDS, 3, replace=False)
        genres = tuple(str(g) for g in draw.choice(_GENRES, 2, replace=False))
        title = f"The {' '.join(words)} ({1950 + int(draw.integers(70))})"
        items[f"i{n}"] = Item(f"i{n}", title, attributes=genres)
    return Catalog(items)


def persona(user_id: str, films: Catalog) -> Persona:
    """Eight films liked, four disliked, tastes and a habit, the same for the same user."""
    draw = np.random.default_rng(int(user_id[1:]))
    titles = [films[f"i{n}"].title for n in draw.choice(len(films), 12, replace=False)]
    genres = [str(g) for g in draw.choice(_GENRES, 3, replace=False)]
    return Persona(
        user_id,
        liked=tuple(titles[:8]),
        disliked=tuple(titles[8:]),
        tastes=tuple(genres[:2]),
        distastes=tuple(genres[2:]),
        habit=RatingHabit(3.6, 1.0, 0.2),
        activity=Level.MEDIUM,
        conformity=Level.HIGH,
        diversity=Level.LOW,
    )


class Pages:
    """Slates made beforehand: each user walks through the films from a place of their own.

    Args:
        shift: pages further on, for another recommender.
    """

    def __init__(self, ids: Sequence[str], k: int = 10, shift: int = 0) -> None:
        self._shift = shift
        self._pages = [Slate(tuple(ids[n : n + k])) for n in range(0, len(ids) - k + 1, k)]

    def recommend(self, requests: Sequence[RecRequest]) -> list[Slate]:
        count = len(self._pages)
        return [self._pages[self._number(r) % count] for r in requests]

    def _number(self, request: RecRequest) -> int:
        return 7 * int(request.user_id[1:]) + int(request.context["page"]) + self._shift


def prompter() -> Prompter:
    """Prompts about films, in English."""
    return Prompter(load_language("en"), FILMS)


def audience(llm: LLM, films: Catalog, users: int, concurrency: int) -> Audience:
    """People who speak through the model, taken at their word."""
    user_ids = [f"u{n}" for n in range(users)]
    personas = {user_id: persona(user_id, films) for user_id in user_ids}
    user = LLMUser(llm, personas.__getitem__, prompter(), Answer(), OwnWord())
    return Audience("people", user, user_ids, lambda _: (), concurrency)
