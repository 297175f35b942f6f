"""Requests that come with files: an album is one request, however its pieces come, and none is ever lost.

The run is stored with the first piece and stands in its lane's line from then on; what it is asked is
complete once `runs.fetching` has its files. Until then further pieces join it, by compare and set on the
stored options, so that whoever is first wins, in whatever process. What comes later is a request of its own.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import structs
from sqlalchemy import Connection

from wireroom.intake import words
from wireroom.intake.accept import UpdateState
from wireroom.intake.ask import Question
from wireroom.intake.enclosed import with_context
from wireroom.intake.update import Said
from wireroom.runs.fetching import change_waiting, run_of_request
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.workspaces.given import FileLimits, GivenFiles, joined, refusal

_MOST_LATE = 10
"""Requests that the late pieces of one album become; an album has ten pieces at most."""
_LATE = "[This belongs to the files that were sent just before]"


class FileRequests:
    """Makes questions of messages with files, for one bot."""

    def __init__(self, bot_id: int, limits: FileLimits) -> None:
        """Take what the limits allow."""
        self._bot_id = bot_id
        self._limits = limits

    def question(self, conn: Connection, said: Said, lane: str, now_ms: int) -> Question | str | None:
        """Return what to ask, words for a file that is not taken, or None for a piece that joined its album.

        Of an album a piece that is not taken is kept: its request ends with the words, and nothing is run on
        a part of what was sent.
        """
        given, own_id = self._given(said, now_ms), f"telegram-{self._bot_id}-{said.update_id}"
        if not given.files:
            return Question(own_id, said.words, lane, "telegram", said.place.message_id)
        if not said.album:
            problem = next((why for file in given.files if (why := refusal(file, self._limits))), None)
            return problem or _asked(said, given, lane, own_id)
        for number in range(_MOST_LATE):
            request_id = self._album_id(said, number)
            run_id = run_of_request(conn, request_id)
            if run_id is None:
                return _asked(said, _told_late(given) if number else given, lane, request_id)
            if change_waiting(conn, run_id, lambda old: joined(old, given)):
                return None
        return _asked(said, _told_late(given), lane, own_id)

    def edited(
        self, conn: Connection, said: Said, run: RunView | None
    ) -> tuple[UpdateState, str, str | None]:
        """Give a request that waits the new words beside its files.

        Returns:
            What became of the update and why, and what to tell the person.
        """
        if run is None and said.album:
            run = find_run(conn, self._album_id(said, 0))
        given = None if run is None else run.options.given
        caption = _caption(said)
        if run is None or given is None or not said.text or given.caption == caption:
            return UpdateState.IGNORED, "an edit that changes no request", None
        if change_waiting(conn, run.id, lambda old: structs.replace(old, caption=caption)):
            return UpdateState.DONE, "new words beside files", None
        return UpdateState.DONE, "too late for new words", words.EDITED_TOO_LATE

    def _given(self, said: Said, now_ms: int) -> GivenFiles:
        """Return what the message gives; of what it answers, only what is taken."""
        own = said.place.message_id
        files = [file for file in said.files if file.message_id == own or not refusal(file, self._limits)]
        due_ms = now_ms + self._limits.album // timedelta(milliseconds=1) if said.album else 0
        return GivenFiles(tuple(files), _caption(said), due_ms)

    def _album_id(self, said: Said, number: int) -> str:
        """Return the request id of the album, or of the request that its late pieces became."""
        later = f"-{number}" if number else ""
        return f"{album_request_id(self._bot_id, said)}{later}"


def album_request_id(bot_id: int, said: Said) -> str:
    """Return the request id of the album that the message is a piece of."""
    return f"telegram-{bot_id}-album-{said.place.chat_id}-{said.album}"


def _asked(said: Said, given: GivenFiles, lane: str, request_id: str) -> Question:
    options = RunOptions(given=given)
    return Question(request_id, given.title, lane, "telegram", said.place.message_id, options=options)


def _caption(said: Said) -> str:
    return with_context(said.text, said.origin, said.context)


def _told_late(given: GivenFiles) -> GivenFiles:
    return structs.replace(given, caption="\n\n".join(part for part in (given.caption, _LATE) if part))
