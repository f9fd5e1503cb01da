"""Drawing what a simulated user answers to an exam, from its probabilities."""

from __future__ import annotations

import numpy as np

from focusgroup.simulator.noise import derive_seed

from .exam import Booleans, Floats

DRAWS = 3
LEVELS = np.arange(1.0, 6.0)


def drawn_choices(chances: Floats, seed: int, n: int) -> Booleans:
    """The nth draw of choices, (questions,), from probabilities."""
    return np.asarray(choice_uniforms(len(chances), seed, n) < chances)


def choice_uniforms(size: int, seed: int, n: int) -> Floats:
    """Uniforms in [0, 1) of the nth draw of choices; low ones say yes."""
    return np.random.default_rng(derive_seed(seed, "choices", n)).random(size)


def star_uniforms(size: int, seed: int, n: int) -> Floats:
    """Uniforms in [0, 1) of the nth draw of stars; low ones give many."""
    return np.random.default_rng(derive_seed(seed, "stars", n)).random(size)


def drawn_stars(star_chances: Floats, uniforms: Floats) -> Floats:
    """Stars 1 ... 5 drawn from probabilities, (n, 5); of uniforms, (n,), low ones give many."""
    more = 1 - np.cumsum(star_chances, axis=1)[:, :-1]  # P(stars > 1 ... > 4)
    return np.asarray(1.0 + (uniforms[:, None] < more).sum(axis=1))


def in_levels(stars: Floats) -> Floats:
    """Stars as shares of the levels 1 ... 5, (n, 5): 3.5 is half a three and half a four.

    As ordinal thresholds count them, so that the mean stays; outside [1, 5] is the nearest end.
    """
    return np.asarray(np.maximum(0.0, 1 - np.abs(np.clip(stars, 1, 5)[:, None] - LEVELS)))
