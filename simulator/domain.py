"""What a dataset is about: the words for its events, and what it can and cannot know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Domain:
    """The facts about a dataset that users, metrics and reports need.

    Tables that go with it (one row each; every id a string):
        interactions: user_id, item_id, event ("click", "purchase", "rate"), value (float: stars on
            a 1-5 scale for "rate", quantity for "purchase", 1 for "click"), positive (bool: counts
            as engagement), timestamp (float: seconds since 1970, NaN where unknown).
        items: item_id, title, attributes (tuple of str), description (str, may be empty), price
            (float, NaN where unknown).
        users: user_id and any number of string columns (demographics), "" where unknown.

    Attributes:
        name: dataset name, e.g. ``movies``.
        item_noun: what an item is called, singular: ``film``.
        click_verb: what a click means to the person: ``watch``.
        engaged: in words, what counts as engagement: ``rated 3.5 stars or more``.
        like_stars: a rating of at least this many stars counts as engagement.
        rejected: in words, what counts as rejection, "" if the data has none.
        has_ratings: whether values of "rate" events exist.
        has_prices: whether purchases and prices exist.
        has_time: whether timestamps order the events.
        has_negatives: whether what users were shown and did not take is in the log. A film
            rated low was chosen first: it is disliked, not passed over.
        unknown: what the data cannot identify, e.g. ``("slot", "leaving", "fatigue")``.
        currency: symbol before an amount, "" if no prices.
    """

    name: str
    item_noun: str = "item"
    click_verb: str = "open"
    engaged: str = "any event"
    like_stars: float = 3.5
    rejected: str = ""
    has_ratings: bool = False
    has_prices: bool = False
    has_time: bool = False
    has_negatives: bool = False
    unknown: tuple[str, ...] = ("slot", "leaving", "fatigue")
    currency: str = ""
