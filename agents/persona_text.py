"""A persona in words: a short stable text, in which what is unknown is left out."""

from __future__ import annotations

from functools import lru_cache

from .excerpt import NAME_LIMIT
from .fence import fence
from .language import Language
from .persona import Persona

LONG = 90  # characters of a name that is rather a sentence
NOTES_LIMIT = 400
_AT_ONCE = 4096  # people whose text is kept: it stands in everything they are asked


@lru_cache(maxsize=_AT_ONCE)
def persona_text(language: Language, persona: Persona) -> str:
    """Several lines, each fenced where it comes from outside."""
    say = language.phrase
    lines = [say("persona", "heading")]
    for name in ("liked", "disliked", "tastes", "distastes"):
        if values := getattr(persona, name):
            separator = say("list")
            if name in ("liked", "disliked"):
                # Whole sentences, as of jokes, need a mark that they do not hold themselves.
                separator = " | " if max(map(len, values)) > LONG else "; "
            lines.append(
                say("persona", name).format(separator.join(fence(v, NAME_LIMIT) for v in values))
            )
    if (habit := persona.habit) is not None:
        lines.append(
            say("persona", "habit").format(f"{habit.mean:.1f}", round(100 * habit.low_share))
        )
    lines += [
        say("persona", trait, level.value)
        for trait in ("activity", "conformity", "diversity", "price_level")
        if (level := getattr(persona, trait)) is not None
    ]
    if persona.demographics:
        # Fenced once more, as the two together may spell what neither does.
        facts = (fence(f"{fence(k, 40)} {fence(v, 60)}") for k, v in persona.demographics)
        lines.append(say("persona", "demographics").format(say("list").join(facts)))
    if persona.notes:
        lines.append(fence(persona.notes, NOTES_LIMIT))
    if len(lines) == 1:
        lines.append(say("persona", "nobody"))
    return say("line").join(line for line in lines if line)
