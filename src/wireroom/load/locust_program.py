"""The process of the people: `python -m wireroom.load.locust_program`, started by `crowd`.

Reads a `Plan` as JSON from standard input; writes a `Second` as one line of JSON to standard output each
second, and a last one at the end. Locust changes the standard library's sockets at import, so nothing else
happens here.
"""

from __future__ import annotations

# First: it patches what the others import.
import locust  # isort: skip

import os
import sys
import time
from typing import Any

import gevent
import msgspec
from locust.env import Environment
from locust.runners import LocalRunner

from wireroom.load.patterns import people_at
from wireroom.load.people import cast
from wireroom.load.person import Person, Stage
from wireroom.load.recorder import Recorder
from wireroom.load.samples import Plan

_LOOK_SECONDS = 0.25
_GRACE_SECONDS = 10
"""How long what is under way may take when people are told to stop."""
_AT_ONCE = 1_000.0
"""People who come a second when more are wanted; how many are wanted is the pattern's."""


def main() -> None:
    """Play the plan."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    recorder = Recorder()
    Person.stage = Stage(plan, recorder)
    environment = Environment(
        user_classes=[*cast(plan.can)], host=plan.base_url, stop_timeout=_GRACE_SECONDS, catch_exceptions=True
    )
    listen: Any = environment.events.request.add_listener  # untyped in Locust
    listen(lambda **told: _note(recorder, told))
    runner = environment.create_local_runner()
    telling = gevent.spawn(_tell, runner, recorder)
    _conduct(runner, plan)
    Person.stage.over = True
    runner.quit()
    telling.kill()
    _write(recorder, 0)


def _conduct(runner: LocalRunner, plan: Plan) -> None:
    began, acting = time.monotonic(), -1
    while wanted := people_at(plan.pattern, time.monotonic() - began, plan.extent):
        if wanted != acting:
            runner.start(wanted, spawn_rate=_AT_ONCE)
            acting = wanted
        gevent.sleep(_LOOK_SECONDS)


def _note(recorder: Recorder, told: dict[str, Any]) -> None:
    problem = told.get("exception")
    recorder.note(told["name"], float(told["response_time"] or 0), None if problem is None else str(problem))


def _tell(runner: LocalRunner, recorder: Recorder) -> None:
    while True:
        gevent.sleep(1.0)
        _write(recorder, runner.user_count)


def _write(recorder: Recorder, people: int) -> None:
    line = msgspec.json.encode(recorder.take(people)) + b"\n"
    while line:
        line = line[os.write(1, line) :]


if __name__ == "__main__":
    print(locust.__version__, file=sys.stderr)  # noqa: T201 - into the log of this process
    main()
