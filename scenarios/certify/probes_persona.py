"""Test users in each other's shoes: what is lost when personas are exchanged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from focusgroup.agents import Persona
from focusgroup.simulator import Interaction
from focusgroup.simulator.noise import derive_seed

from .ground import Ground
from .panel import Panel


def stand_ins(ground: Ground, *, seed: int) -> dict[str, str]:
    """For each test user another one, everybody for somebody: a single random cycle."""
    rng = np.random.default_rng(derive_seed(seed, "stand-ins"))
    circle = [ground.test[int(n)] for n in rng.permutation(len(ground.test))]
    return dict(zip(circle, [*circle[1:], circle[0]], strict=True))


def swapped_histories(ground: Ground, *, seed: int) -> dict[str, tuple[Interaction, ...]]:
    """User -> what is known of the user's stand-in."""
    return {user: ground.histories(other) for user, other in stand_ins(ground, seed=seed).items()}


def swapped_personas(panel: Panel, *, seed: int) -> Mapping[str, Persona]:
    """User -> the persona of the user's stand-in; for `Panel.answer`."""
    return {
        user: panel.personas[other] for user, other in stand_ins(panel.ground, seed=seed).items()
    }
