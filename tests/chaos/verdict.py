"""Whether the promises held, from what was found; and how soon all was well after each fault. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from chaos.evidence import Findings, Sample
from chaos.load import CLOCK_SECONDS, Wish

_WELL_SECONDS = 3.0


def broken_promises(found: Findings) -> list[str]:
    """Return what did not hold, one sentence each; empty when every promise did."""
    return [
        *_lost(found),
        *_doubled(found),
        *_two_at_once(found),
        *_two_results(found),
        *_clock(found),
        *(f"refused: {refusal}" for refusal in found.refusals),
        *(f"given up: a job of {queue}: {what}" for queue, what in found.dead),
    ]


def _lost(found: Findings) -> Iterator[str]:
    for wish in found.wishes:
        if wish.done_seconds is None:
            yield f"lost: {wish.token}, asked at {wish.asked_seconds:.1f} s"
    for token in found.gone:
        yield f"answered, and the answer was written over: {token}"


def _doubled(found: Findings) -> Iterator[str]:
    """Yield what came twice. A call that comes again under its key is one call: its target can tell."""
    for wish in found.wishes:
        if found.answers.get(wish.token, 0) > 1:
            yield f"answered {found.answers[wish.token]} times: {wish.token}"


def _two_at_once(found: Findings) -> Iterator[str]:
    """Yield runs on which two agents were alive together: the kernel lends the run's lock to one."""
    for note in found.notes:
        if note.what == "overlap":
            yield f"two agents at once: run {note.run}, epoch {note.epoch}, {note.token}"


def _two_results(found: Findings) -> Iterator[str]:
    """Yield runs of which not exactly one attempt, the newest, has committed a result."""
    won: dict[str, list[int]] = defaultdict(list)
    for run, epoch, state, _ in found.attempts:
        if state == "succeeded":
            won[run].append(epoch)
    for run, newest, state, prompt in found.runs:
        if state != "succeeded" or won[run] != [newest]:
            yield f"run {run} is {state}; attempts {won[run]} of {newest} succeeded: {prompt}"
        if found.said.get(run, 0) != 1:
            yield f"run {run} left {found.said.get(run, 0)} answers: {prompt}"
    prompts = Counter(prompt.rpartition(" ")[2] for _, _, _, prompt in found.runs)
    for token, times in prompts.items():
        if times > 1:
            yield f"{times} runs of one wish: {token}"
    for task, times in found.task_wins.items():
        if times > 1:
            yield f"task {task} was completed {times} times"


def _clock(found: Findings) -> Iterator[str]:
    """Yield slots of the schedule without their call, and those called under two keys."""
    times = [slot for slot, _, _ in found.slots]
    step = CLOCK_SECONDS * 1000
    missing = sorted(set(range(times[0], times[-1] + 1, step)) - set(times)) if times else []
    if missing:
        yield f"slots without a call: {missing}"
    if len(times) != len(set(times)):
        yield "a slot has two calls"
    for slot, state, _ in found.slots:
        if state != "succeeded":
            yield f"slot {slot} is {state}"
    if len(found.slot_calls) != len(times):
        yield f"the clock's target saw {len(found.slot_calls)} calls for {len(times)} slots"


def recovery_seconds(wishes: Sequence[Wish], lifted_seconds: float) -> float:
    """Return how long after a fault until nobody had waited longer than 3 s, faults that follow included.

    That is the first moment after the fault was lifted at which every wish asked more than 3 s before it had
    its answer.
    """
    moments = [lifted_seconds]
    moments += sorted(w.done_seconds for w in wishes if w.done_seconds and w.done_seconds > lifted_seconds)
    for moment in moments:
        due = (w for w in wishes if w.asked_seconds < moment - _WELL_SECONDS)
        if all(w.done_seconds is not None and w.done_seconds <= moment for w in due):
            return moment - lifted_seconds
    return float("inf")


def answers_per_second(samples: Sequence[Sample], width_seconds: float) -> list[tuple[float, float, float]]:
    """Return (middle of the interval, asked a second, answered a second) of each interval."""
    found = []
    last = None
    for sample in samples:
        if last is None:
            last = sample
        elif (took := sample.at_seconds - last.at_seconds) >= width_seconds:
            middle = last.at_seconds + took / 2
            asked, answered = sample.asked - last.asked, sample.answered - last.answered
            found.append((middle, asked / took, answered / took))
            last = sample
    return found
