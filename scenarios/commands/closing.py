"""What is printed when a run ends: tables, verdicts, warnings, and where the report lies."""

from __future__ import annotations

from collections import Counter

from focusgroup.agents.llm import servers_away
from focusgroup.scenarios.certificates import Shelf, certificate_of, find_certificates
from focusgroup.scenarios.experiment import Room
from focusgroup.scenarios.finished import FinishedRun
from focusgroup.scenarios.outcome import warned_facts
from focusgroup.simulator import Failure, SessionKey
from focusgroup.simulator.metrics.tables import results_text, rounds_table


def closing_text(run: FinishedRun) -> str:
    """The results of a run for a terminal."""
    lines = [results_text(run.results), ""]
    if rounds := rounds_table(run.results):
        lines += [rounds, ""]
    lines += _failures(run)
    lines.append(audiences_text(run))
    if run.experiment.behaviour is not None:
        lines.append(
            f"Assumed, not learned from any log: {run.experiment.scenario.assumed.in_words()}."
            " Whether the winner depends on them: focusgroup run SCENARIO --sweep assumed"
        )
    if run.spent.calls or run.spent.hits:
        lines.append(
            f"Language model: {run.spent.calls} calls and {run.spent.hits} answers that cost none,"
            f" in this command. All answers of the run: {run.tokens.prompt} prompt"
            f" ({run.tokens.cached} cached) + {run.tokens.completion} answer tokens."
        )
    lines.append(f"Report: {run.directory.report}")
    return "\n".join(lines)


def absence_text(run: FinishedRun) -> str:
    """A line on servers that were away when the run ended; "" if all were there."""
    models = run.experiment.models()
    away = list(dict.fromkeys(url for model in models for url in servers_away(model)))
    if not away:
        return ""
    return (
        f"did not answer when last asked: {', '.join(away)}; what was for"
        f" {'it' if len(away) == 1 else 'them'} went to the other servers"
    )


def unfinished_text(run: FinishedRun) -> str:
    """A line on visits that are still to come; "" if the run is finished."""
    made, planned = run.store.count(), run.experiment.planned_sessions()
    if made >= planned:
        return ""
    return (
        f"unfinished: {made} of {planned} visits; go on with: focusgroup resume"
        f" {run.directory.path}"
    )


def audiences_text(run: FinishedRun) -> str:
    """Who answered for each audience, whether to believe it, and what is certified of it."""
    shelf = find_certificates(run.directory.path)
    lines = []
    for room in run.experiment.rooms:
        facts = warned_facts(run.experiment, room, run.results)
        state = "calibrated" if facts.calibrated else "UNCALIBRATED"
        note = f" ({facts.note})" if facts.note else ""
        lines.append(f"{room.audience.name}: {facts.model}; {state}{note}")
        if facts.warning:
            lines.append(f"  WARNING: {facts.warning}")
        lines += _certified(run, room, shelf)
    return "\n".join(lines)


def _certified(run: FinishedRun, room: Room, shelf: Shelf) -> list[str]:
    certified = certificate_of(run.experiment, room, shelf)
    lines = [f"  Certificate: {certified.told}"]
    if certified.command:
        lines.append(f"  To make one: {certified.command}")
    return lines


def _failures(run: FinishedRun) -> list[str]:
    """One line for each arm and cause of failure: how often, and the first thing that was said."""
    if not any(row.failed_pages for row in run.results.accounting):
        return []
    first: dict[tuple[str, str, str], tuple[SessionKey, int, str]] = {}
    count: Counter[tuple[str, str, str]] = Counter()
    for session in run.store.scan():
        for turn in session.turns:
            if isinstance(turn.outcome, Failure):
                place = (session.key.audience, session.key.arm, turn.outcome.cause.value)
                said = (session.key, turn.page, turn.outcome.detail)
                first[place] = min(said, first.get(place, said))
                count[place] += 1
    lines = [
        f"failed: {audience}, {arm}: {cause} {count[audience, arm, cause]}, e.g. {detail}"
        for (audience, arm, cause), (*_, detail) in sorted(first.items(), key=lambda one: one[1])
    ]
    again = f"Ask for them again: focusgroup resume {run.directory.path} --retry-failed"
    return [*lines, again]


def wholly_failed(run: FinishedRun) -> list[str]:
    """Arms in which every visit of an audience failed, as ``audience/arm``."""
    return [
        f"{row.audience}/{row.arm}"
        for row in run.results.accounting
        if row.sessions and row.failed_sessions == row.sessions
    ]


def next_steps() -> str:
    """Where to go after the demo."""
    return """
What to try next
  your own data         focusgroup datasets check MY.yaml   (a mapping file; see the README)
  your own recommender  recommenders: {mine: {use: "my_module:MyRecommender"}} in a scenario
  a bigger model        focusgroup demo --llm openai:MODEL@http://localhost:8000/v1
  a scenario to edit    focusgroup scenarios new mine.yaml && focusgroup run mine.yaml"""
