"""What is printed when a run ends: tables, verdicts, warnings, and where the report lies."""

from __future__ import annotations

from focusgroup.scenarios.batch import FinishedRun
from focusgroup.scenarios.outcome import model_facts
from focusgroup.simulator.metrics.tables import results_text


def closing_text(run: FinishedRun) -> str:
    """The results of a run for a terminal."""
    lines = [results_text(run.results), ""]
    for room in run.experiment.rooms:
        facts = model_facts(run.experiment, room)
        state = "calibrated" if facts.calibrated else "UNCALIBRATED"
        note = f" ({facts.note})" if facts.note else ""
        lines.append(f"{room.audience.name}: {facts.model}; {state}{note}")
        if facts.warning:
            lines.append(f"  WARNING: {facts.warning}")
    if run.spent.calls or run.spent.hits:
        lines.append(
            f"Language model: {run.spent.calls} calls, {run.spent.hits} answers from the journal;"
            f" {run.tokens.prompt} prompt ({run.tokens.cached} cached)"
            f" + {run.tokens.completion} answer tokens."
        )
    lines.append(f"Report: {run.directory.report}")
    return "\n".join(lines)


def next_steps() -> str:
    """Where to go after the demo."""
    return """
What to try next
  your own data         focusgroup datasets check MY.yaml   (a mapping file; see the README)
  your own recommender  recommenders: {mine: {use: "my_module:MyRecommender"}} in a scenario
  a bigger model        focusgroup demo --llm openai:MODEL@http://localhost:8000/v1
  a scenario to edit    focusgroup scenarios new mine.yaml && focusgroup run mine.yaml"""
