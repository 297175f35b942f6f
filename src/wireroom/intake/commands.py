"""Which messages are commands to Wireroom itself. Pure.

A command is the first word, whole: `/status`, ` /STATUS now`, `/stop@MyBot all`. `/started` and `/helpme`
are prompts, and so is a command that names another bot.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CommandName(StrEnum):
    """The commands, with the line that `/help` shows for each."""

    START = "start"
    HELP = "help"
    STATUS = "status"
    NEW = "new"
    STOP = "stop"
    QUEUE = "queue"
    BUSY = "busy"
    BTW = "btw"
    RETRY = "retry"
    DIFF = "diff"
    COMMIT = "commit"
    PUSH = "push"
    PR = "pr"
    REPO = "repo"
    BACKEND = "backend"
    MODEL = "model"
    EFFORT = "effort"
    BUDGET = "budget"
    DIGEST = "digest"
    QUIET = "quiet"
    RICH = "rich"
    TOPIC = "topic"
    TASKS = "tasks"
    TASK = "task"
    OPERATOR = "operator"
    SETTINGS = "settings"
    PAIR = "pair"

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return _SUMMARIES[self]


_SUMMARIES = {
    CommandName.START: "say hello",
    CommandName.HELP: "show this list",
    CommandName.STATUS: "what I am doing now",
    CommandName.NEW: "start a new conversation",
    CommandName.STOP: "stop the running request; `/stop all` also those that wait, and a side question",
    CommandName.QUEUE: "what runs and what waits",
    CommandName.BUSY: "what messages mean while I work: `/busy followup`, `collect`, `steer` or `interrupt`",
    CommandName.BTW: "a side question, answered at once beside the work: `/btw QUESTION`",
    CommandName.RETRY: "run the last request again",
    CommandName.DIFF: "what the last request changed in its repository",
    CommandName.COMMIT: "commit what was done here: `/commit MESSAGE`; you see it first",
    CommandName.PUSH: "push this branch; you see it first",
    CommandName.PR: "open a pull request: `/pr TITLE`; you see it first",
    CommandName.REPO: "work in another repository: `/repo NAME`; without a name, list them",
    CommandName.BACKEND: "work with another coding agent: `/backend NAME`; without a name, list them",
    CommandName.MODEL: "ask for another model: `/model NAME`; without a name, show them",
    CommandName.EFFORT: "how long to think: `/effort low`, `medium`, `high`, `default`",
    CommandName.BUDGET: "what may be spent: `/budget 2 usd`, `20 minutes`, `10 usd a day`, `default`",
    CommandName.DIGEST: "what was done, once a day: `/digest 18:00`, `/digest off`, `/digest now`",
    CommandName.RICH: "show tables and plans as rich messages: `/rich on`, `off`, `auto`",
    CommandName.QUIET: "when not to ring: `/quiet 22:00-07:00`, `/quiet off`",
    CommandName.TOPIC: "a topic for a project: `/topic new NAME [repository]`; without words, list them",
    CommandName.TASKS: "what is on the task board",
    CommandName.TASK: "put a task on the board: `/task TEXT`; try one again: `/task retry NUMBER`",
    CommandName.OPERATOR: "have the tasks of the board run: `/operator on`; for my owner",
    CommandName.SETTINGS: "see and change switches: `/settings NAME on`; for my owner",
    CommandName.PAIR: "let me talk to you: `/pair CODE`",
}
_BY_NAME = {name.value: name for name in CommandName}


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the rest of its line."""

    name: CommandName
    rest: str = ""


def parse_command(text: str, bot_username: str = "") -> Command | None:
    """Return the command that the message is, None for a prompt.

    Args:
        text: The message's text.
        bot_username: Our bot's name without the @; a command for another name is not ours. Empty: any is.
    """
    words = text.strip().split(maxsplit=1)
    if not words or not words[0].startswith("/"):
        return None
    word, _, addressee = words[0][1:].partition("@")
    if addressee and bot_username and addressee.lower() != bot_username.lower():
        return None
    name = _BY_NAME.get(word.lower())
    if name is None:
        return None
    return Command(name, words[1].strip() if len(words) > 1 else "")
