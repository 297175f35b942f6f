"""Spoken requests in both databases: their words are stored once, and their answers spoken once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from contract.job_engines import Engine, open_engine
from wireroom.clock import SystemClock
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.delivery import speaking
from wireroom.delivery.outbox import Recipient, open_delivery
from wireroom.delivery.speaking import Speaker, SpeakingPolicy
from wireroom.errors import LeaseLost, SpeechError
from wireroom.jobs.port import Done, Job
from wireroom.runs import endings
from wireroom.runs.feed import Feed
from wireroom.runs.hearing import Hearing
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import find_run
from wireroom.runs.records import NewRun, begin_attempt, create_run, standing_of
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.speech.errors import SpeechRefused
from wireroom.speech.limits import Recording
from wireroom.speech.port import Heard, Spoken
from wireroom.speech.shelf import Shelf
from wireroom.speech.sound import SoundForm

pytestmark = pytest.mark.timeout(60)
RECORDING = Recording("F", "U", 3, caption="Please:")
LANE = "telegram:1:7:0"


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database of each kind in turn, with a spoken request `r` that waits."""
    async with open_engine(url) as lent:
        await lent.db.write(lambda conn: ask(conn, lent))
        yield lent


def ask(conn: Connection, engine: Engine) -> None:
    """Store a spoken request and its placeholder."""
    begin_conversation(conn, NewConversation("c", "telegram", LANE, "/w"), 1)
    options = RunOptions(recording=RECORDING)
    new = NewRun("r", "r", "c", LANE, "telegram", RECORDING.title, "demo", "/w", options=options)
    create_run(conn, engine.jobs, new, 1)
    to = Recipient(LANE, 1, 7, None, 5)
    open_delivery(conn, engine.jobs, to, opening="🎙 Listening …", run_id="r", now_ms=1)


class ScriptedListener:
    """Hears what it was told, once its gate is open."""

    def __init__(self, *answers: Heard | SpeechError) -> None:
        """Answer in this order; the last again and again."""
        self.answers = list(answers)
        self.shown: list[str] = []
        self.listened = 0

    async def listen(self, recording: Recording) -> Heard:
        """Return or raise the next answer."""
        assert recording.file_id == "F"
        self.listened += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SpeechError):
            raise answer
        return answer

    async def show(self, run_id: str, said: str) -> None:
        """Remember what is shown."""
        self.shown.append(f"{run_id}: {said}")


def hearing(engine: Engine, listener: ScriptedListener) -> Hearing:
    """Return the handler under test."""
    return Hearing(
        db=engine.db,
        jobs=engine.jobs,
        clock=SystemClock(),
        feed=Feed(),
        listen=listener.listen,
        show=listener.show,
    )


def job(kind: str, ref: str = "r", attempt: int = 1) -> Job:
    """Return a claimed job that no engine knows."""
    return Job(id=0, queue=speaking.QUEUE, kind=kind, ref=ref, key=None, attempt=attempt, epoch=1)


async def test_words_become_the_prompt_once(engine: Engine) -> None:
    """The first words that are stored stay, whoever hears it as well; the caption goes in front."""
    hears = hearing(engine, ScriptedListener(Heard("write it"), Heard("other words")))
    assert (await engine.db.read(lambda conn: standing_of(conn, "r"))).unheard == RECORDING
    await hears.handle(job("hear"))
    await hears.handle(job("hear"))
    assert await hears.hear("r", RECORDING) is None
    run = await engine.db.read(lambda conn: find_run(conn, "r"))
    assert run is not None
    assert run.prompt == "Please:\n\nwrite it"
    assert (await engine.db.read(lambda conn: standing_of(conn, "r"))).unheard is None
    opening = text("SELECT opening FROM deliveries")
    assert await engine.db.read(lambda conn: conn.scalar(opening)) == "🎙 write it"


@pytest.mark.parametrize("ends", ["heard", "gone"])
async def test_turn_of_the_run_waits_for_the_job_that_hears(engine: Engine, ends: str) -> None:
    """However many processes there are, one listens; the run's own turn does if that job is gone."""
    listener = ScriptedListener(Heard("write it"))
    enqueue = partial(engine.jobs.enqueue, queue=speaking.QUEUE, kind="hear", ref="r")
    await engine.db.write(enqueue)
    turn = asyncio.create_task(hearing(engine, listener).hear("r", RECORDING))
    over, _ = await asyncio.wait({turn}, timeout=0.2)
    assert (over, listener.listened) == (set(), 0)
    if ends == "heard":
        await hearing(engine, listener).handle(job("hear"))
    else:
        await engine.db.write(lambda conn: engine.jobs.cancel(conn, kind="hear", ref="r"))
    assert await asyncio.wait_for(turn, 10) is None
    assert listener.listened == 1
    assert (await engine.db.read(lambda conn: standing_of(conn, "r"))).unheard is None


async def test_words_that_come_after_the_start_change_nothing(engine: Engine) -> None:
    """Two processes may hear one recording; what the agent was given is what stands."""
    late = hearing(engine, ScriptedListener(Heard("too late")))
    await hearing(engine, ScriptedListener(Heard("in time"))).handle(job("hear"))
    await engine.db.write(lambda conn: begin_attempt(conn, "r", worker="w", now_ms=1, lease_ms=1))
    await asyncio.gather(late.handle(job("hear")), late.hear("r", RECORDING))
    run = await engine.db.read(lambda conn: find_run(conn, "r"))
    assert run is not None
    assert run.prompt.endswith("in time")


async def test_a_recording_that_nobody_understands_ends_its_run(engine: Engine) -> None:
    """The run fails in words that the person reads; its own job finds nothing left to do."""
    deaf = hearing(engine, ScriptedListener(SpeechRefused("There is no sound in it.")))
    await deaf.handle(job("hear"))
    run = await engine.db.read(lambda conn: find_run(conn, "r"))
    assert run is not None
    assert run.state is RunState.FAILED
    body = text("SELECT body FROM deliveries")
    told = await engine.db.read(lambda conn: conn.scalar(body))
    assert "There is no sound in it." in told
    assert "🎙" not in told
    assert (
        await engine.db.write(lambda conn: begin_attempt(conn, "r", worker="w", now_ms=1, lease_ms=1)) is None
    )


class ScriptedVoice:
    """Says everything in the same way, or not at all."""

    name = "scripted"

    def __init__(self, error: SpeechError | None = None) -> None:
        """Fail with this error, if there is one."""
        self.error = error
        self.said: list[str] = []

    async def say(self, text: str, *, seconds: float) -> Spoken:
        """Return the same sound for every text."""
        assert seconds > 0
        self.said.append(text)
        if self.error is not None:
            raise self.error
        return Spoken(b"ID3 sound", SoundForm.MP3)


async def answered(engine: Engine) -> None:
    """Have the request heard, and end its run."""
    await hearing(engine, ScriptedListener(Heard("write it"))).handle(job("hear"))
    await engine.db.write(lambda conn: begin_attempt(conn, "r", worker="w", now_ms=1, lease_ms=1))
    verdict = Verdict(RunState.SUCCEEDED, "I wrote it.", None, 0)
    await engine.db.write(
        lambda conn: endings.finish_run(conn, engine.jobs, "r", 1, verdict, usage=None, now_ms=2)
    )


def speaker(engine: Engine, voice: ScriptedVoice, folder: Path, *, is_on: bool = True) -> Speaker:
    """Return the handler under test."""

    async def is_wanted() -> bool:
        return is_on

    return Speaker(
        db=engine.db,
        jobs=engine.jobs,
        clock=SystemClock(),
        voice=voice,
        shelf=Shelf(folder),
        policy=SpeakingPolicy(600, 5),
        is_wanted=is_wanted,
        draw=lambda: 0.0,
    )


async def test_an_answer_is_queued_to_be_spoken_with_the_text_that_quotes_it(engine: Engine) -> None:
    """The end of the run stores both in one commit: the quoted text, and the job that speaks."""
    await answered(engine)
    body = text("SELECT body FROM deliveries")
    assert await engine.db.read(lambda conn: conn.scalar(body)) == "> 🎙 Please\\: write it\n\nI wrote it."
    pending = await engine.db.read(lambda conn: engine.jobs.is_pending(conn, kind=speaking.KIND, ref="r"))
    assert pending


@pytest.mark.parametrize(
    ("is_on", "error"), [(False, None), (True, SpeechRefused("no"))], ids=["switched-off", "fails"]
)
async def test_what_is_not_spoken_leaves_no_delivery(
    engine: Engine, tmp_path: Path, is_on: bool, error: SpeechError | None
) -> None:
    """Off, or failed: the job is done, and the text is the answer."""
    await answered(engine)
    silent = speaker(engine, ScriptedVoice(error), tmp_path, is_on=is_on)
    assert await silent.handle(job(speaking.KIND)) == Done()
    count = text("SELECT count(*) FROM deliveries")
    assert await engine.db.read(lambda conn: conn.scalar(count)) == 1


async def test_a_speaker_whose_job_was_taken_stores_nothing(engine: Engine, tmp_path: Path) -> None:
    """Sound and end of the job are one unit, refused to who lost the job; what was said is not said again."""
    await answered(engine)
    voice = ScriptedVoice()
    handler = speaker(engine, voice, tmp_path)
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await handler.handle(job(speaking.KIND))
    count = text("SELECT count(*) FROM deliveries")
    assert await engine.db.read(lambda conn: conn.scalar(count)) == 1
    assert voice.said == ["I wrote it."]
