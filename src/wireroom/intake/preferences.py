"""`/model`, `/effort`, `/budget`: what the later requests of a chat are asked with, by words or buttons.

A choice is kept by `conversations.chat_settings` and becomes part of a request when that is stored
(`intake.wishes`), so what runs or waits keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.backends.abilities import EFFORTS, Ability, ability_of, offered_models, refusal_of
from wireroom.conversations.chat_settings import ChatSettings, change_chat_settings, read_chat_settings
from wireroom.delivery.outbox import Button
from wireroom.errors import BadInput
from wireroom.intake import allowance
from wireroom.intake.reply import Reply
from wireroom.intake.spending import RAISE, Spending

MODEL, EFFORT = "model", "effort"
PRESSES = frozenset({MODEL, EFFORT, RAISE})
"""The actions of the buttons that choose."""
DEFAULT = "default"
BUDGET_IS_THE_OWNERS = "Only my owner may change what may be spent."
_OFF = frozenset({DEFAULT, "off", "none"})
_NO_BUDGET = {
    "run_usd": None,
    "run_minutes": None,
    "day_usd": None,
    "raised_usd": 0.0,
    "raised_on": None,
}
_MOST_DATA_BYTES = 64
"""Source: Telegram Bot API, InlineKeyboardButton, callback_data."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who chooses, and for which chat."""

    conn: Connection
    lane: str
    now_ms: int
    is_owner: bool


class Preferences:
    """The choices of all chats."""

    def __init__(self, spending: Spending, *, named_models: Sequence[str]) -> None:
        """Keep the neighbours.

        Args:
            spending: Tells what a chat has spent.
            named_models: Models that the installation's settings name.
        """
        self.spending = spending
        self._named = tuple(named_models)

    def model(self, by: Chooser, name: str) -> Reply:
        """Choose the model of the chat's coding agent, or show which there are."""
        backend, chosen = self._standing(by)
        if not name:
            return self._models(backend, chosen)
        if name.lower() in _OFF:
            rest = {other: model for other, model in chosen.models.items() if other != backend}
            change_chat_settings(by.conn, by.lane, by.now_ms, models=rest)
            return Reply(f"🧠 From the next request on **{backend}** chooses its model as it is set up.")
        if (refusal := refusal_of(backend, name)) is not None:
            return Reply(refusal)
        change_chat_settings(by.conn, by.lane, by.now_ms, models={**chosen.models, backend: name})
        known = name in offered_models(backend, self._named)
        doubt = "" if known else f" I do not know that name; if {backend} does not either, it will say so."
        return Reply(f"🧠 From the next request on **{backend}** is asked for `{name}`.{doubt}")

    def effort(self, by: Chooser, wanted: str) -> Reply:
        """Choose how long the chat's coding agent thinks, or show what can be chosen."""
        backend, chosen = self._standing(by)
        if not ability_of(backend).takes_effort:
            return Reply(f"**{backend}** has no choice of effort.")
        word = wanted.lower()
        if word in _OFF:
            change_chat_settings(by.conn, by.lane, by.now_ms, effort=None)
            return Reply(f"💭 From the next request on **{backend}** thinks as long as it is set up to.")
        if word not in EFFORTS:
            head = f"Effort: **{chosen.effort or 'as it is set up'}**."
            buttons = [_button(word, EFFORT, word) for word in (*EFFORTS, DEFAULT)]
            return Reply(f"{head} Choose {_listed(EFFORTS)} or `{DEFAULT}`.", tuple(buttons))
        change_chat_settings(by.conn, by.lane, by.now_ms, effort=word)
        return Reply(f"💭 From the next request on **{backend}** thinks with **{word}** effort.")

    def budget(self, by: Chooser, wanted: str) -> Reply:
        """Choose what the chat's requests may take, or show it."""
        backend, chosen = self._standing(by)
        if wanted.lower() in {"", "show"}:
            return self._budget(by, chosen)
        if not by.is_owner:
            return Reply(BUDGET_IS_THE_OWNERS)
        try:
            changes = _NO_BUDGET if wanted.lower() in _OFF else allowance.read_budget(wanted)
        except BadInput as error:
            return Reply(str(error))
        has_money = changes.get("run_usd") or changes.get("day_usd")
        if has_money and (reason := self.spending.why_unpriced(chosen, backend)) is not None:
            return Reply(reason)
        chosen = change_chat_settings(by.conn, by.lane, by.now_ms, **changes)
        late = changes.get("run_usd") and not ability_of(backend).heeds_budget
        remark = (
            f" {backend} tells its cost only at the end, so it is not cut off on the way." if late else ""
        )
        return Reply(f"💰 From the next request on: {self._budget_words(by, chosen)}.{remark}")

    def press(self, by: Chooser, action: str, ref: str) -> tuple[str, str | None]:
        """Do what a button says; return the line that acknowledges it, and what the chat is told, if any."""
        if action == MODEL:
            return "Done.", self.model(by, ref).text
        if action == EFFORT:
            return "Done.", self.effort(by, ref).text
        if not by.is_owner:
            return BUDGET_IS_THE_OWNERS, None
        return self.spending.raise_for_today(by.conn, by.lane, ref, by.now_ms), None

    def status(self, conn: Connection, lane: str, now_ms: int) -> Sequence[str]:
        """Return what there is to say of the chat's choices, as lines for `/status`."""
        backend, chosen = self._standing(Chooser(conn, lane, now_ms, is_owner=False))
        ability = ability_of(backend)
        day = self.spending.today(conn, lane, chosen, now_ms)
        told = [
            f"Model: {_shown(self._model(chosen, backend), ability)}",
            f"effort: {chosen.effort}" if chosen.effort and ability.takes_effort else "",
        ]
        return [
            f"{', '.join(filter(None, told))}.",
            f"Budget: {allowance.budget_words(chosen, day)}. Spent today: {allowance.spent_words(day)}.",
        ]

    def _standing(self, by: Chooser) -> tuple[str, ChatSettings]:
        """Return the coding agent that the chat's next request goes to, and what was chosen for it."""
        chosen = read_chat_settings(by.conn, by.lane)
        return self.spending.backend_of(by.conn, by.lane, chosen), chosen

    def _model(self, chosen: ChatSettings, backend: str) -> str | None:
        return chosen.models.get(backend) or self.spending.model

    def _models(self, backend: str, chosen: ChatSettings) -> Reply:
        ability, names = ability_of(backend), offered_models(backend, self._named)
        if not ability.takes_model:
            return Reply(f"**{backend}** has no choice of models.")
        buttons = [_button(name, MODEL, name) for name in names if _fits(MODEL, name)]
        head = f"**{backend}** is asked for {_shown(self._model(chosen, backend), ability)}."
        return Reply(
            f"{head} Choose another with `/model NAME`, or `/model {DEFAULT}`.",
            (*buttons, _button(DEFAULT, MODEL, DEFAULT)),
        )

    def _budget(self, by: Chooser, chosen: ChatSettings) -> Reply:
        return Reply(f"💰 Budget: {self._budget_words(by, chosen)}. {allowance.USAGE}")

    def _budget_words(self, by: Chooser, chosen: ChatSettings) -> str:
        day = self.spending.today(by.conn, by.lane, chosen, by.now_ms)
        return f"{allowance.budget_words(chosen, day)}; spent today: {allowance.spent_words(day)}"


def _shown(model: str | None, ability: Ability) -> str:
    if model is not None and ability.takes_model:
        return f"`{model}`"
    return "its own choice"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _fits(action: str, ref: str) -> bool:
    return len(f"w:{action}:{ref}".encode()) <= _MOST_DATA_BYTES


def _button(text: str, action: str, ref: str) -> Button:
    return Button(text, f"w:{action}:{ref}")
