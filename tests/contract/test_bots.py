"""Added bots are kept with sealed secrets, and leave nothing for others to send, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, text

from wireroom.errors import Conflict, NotFound, SettingsError
from wireroom.intake.bots import (
    Defaults,
    NewBot,
    add_bot,
    defaults_of,
    get_bot,
    is_active,
    list_bots,
    note_bot,
    pause_bot,
    remove_bot,
)
from wireroom.intake.people import new_code, pair, pairing_purpose
from wireroom.intake.update import Speaker
from wireroom.sealing import Seal
from wireroom.store.database import Database
from wireroom.store.schema import deliveries, telegram_bots, updates
from wireroom.store.sqlite import SqliteDatabase

SEAL = Seal("a key of the test that is long enough")
TOKEN = "777:helper-token"
HELPER = NewBot(777, "helper", TOKEN, "helper_bot", "/work/blog", "demo")


async def test_bot_is_kept_sealed_with_what_it_begins_with(db: Database) -> None:
    """A bot has its row in the older programs' table, active, and nothing readable in it."""
    await db.write(lambda conn: add_bot(conn, SEAL, HELPER, 1))
    bot = await db.read(lambda conn: get_bot(conn, "helper"))
    row = (await db.read(lambda conn: conn.execute(select(telegram_bots)).one()))._asdict()
    assert (bot.bot_id, bot.username, bot.state) == (777, "helper_bot", "at work")
    assert bot.opened_token(SEAL) == TOKEN
    assert len(bot.opened_webhook_secret(SEAL)) >= 32
    assert (row["name"], row["bot_type"], row["active"]) == ("helper", "virtual assistant", 1)
    assert "token" not in f"{row['bot_token']} {row['webhook_secret']} {bot!r}".replace("bot_token", "")
    usual = await db.read(lambda conn: defaults_of(conn, "telegram:777:8:0"))
    assert usual == Defaults("/work/blog", "demo")
    assert await db.read(lambda conn: defaults_of(conn, "telegram:1:8:0")) == Defaults()
    assert await db.read(lambda conn: defaults_of(conn, "web:main")) == Defaults()
    with pytest.raises(SettingsError, match="WIREROOM_SECRETS_KEY"):
        bot.opened_token(Seal("another key of the test, as long as that"))


async def test_bot_is_added_once_and_only_under_a_free_name(db: Database) -> None:
    """The same bot, or a name that another program gave to a bot of its own, is refused; that row stays."""
    theirs = {"name": "old", "bot_token": "1:x", "webhook_secret": "y", "bot_type": "product specs"}
    await db.write(lambda conn: conn.execute(insert(telegram_bots).values(theirs)).rowcount)
    await db.write(lambda conn: add_bot(conn, SEAL, HELPER, 1))
    with pytest.raises(Conflict, match="there already"):
        await db.write(lambda conn: add_bot(conn, SEAL, NewBot(777, "again", TOKEN), 1))
    with pytest.raises(Conflict, match="another name"):
        await db.write(lambda conn: add_bot(conn, SEAL, NewBot(778, "old", "778:t"), 1))
    with pytest.raises(NotFound, match="Known: helper"):
        await db.write(lambda conn: remove_bot(conn, "old", 1))
    assert [bot.name for bot in await db.read(list_bots)] == ["helper"]


async def test_paused_bot_is_known_and_goes_on(db: Database) -> None:
    """Pausing is the older table's `active`; what is wrong with a bot is noted beside."""
    await db.write(lambda conn: add_bot(conn, SEAL, HELPER, 1))
    await db.write(lambda conn: note_bot(conn, 777, username="new_name", problem="it is refused"))
    assert (await db.read(lambda conn: get_bot(conn, "helper"))).state == "it is refused"
    await db.write(lambda conn: pause_bot(conn, "helper", is_paused=True))
    assert await db.read(lambda conn: is_active(conn, 777)) is False
    assert (await db.read(lambda conn: get_bot(conn, "helper"))).state == "paused"
    await db.write(lambda conn: pause_bot(conn, "helper", is_paused=False))
    assert await db.read(lambda conn: is_active(conn, 777)) is True


async def test_removed_bot_leaves_dead_letters_of_its_own_only(db: Database) -> None:
    """What it has not sent, and not handled, is set aside with the reason; another bot's is untouched."""

    def fill(conn: Connection) -> None:
        add_bot(conn, SEAL, HELPER, 1)
        common = {"lane": "l", "chat_id": 8, "opening": "…", "attempts": 0, "created_at": 1}
        for bot_id, state in ((777, "waiting"), (777, "pending"), (777, "sent"), (1, "pending")):
            conn.execute(insert(deliveries).values(bot_id=bot_id, state=state, **common))
        for bot_id in (777, 1):
            values = {"update_id": 5, "kind": "message", "lane": "l", "state": "received", "received_at": 1}
            conn.execute(insert(updates).values(bot_id=bot_id, **values))

    await db.write(fill)
    assert await db.write(lambda conn: remove_bot(conn, "helper", 2)) == 2
    left = "SELECT bot_id, state, error FROM deliveries ORDER BY id"
    rows = await db.read(lambda conn: [tuple(row) for row in conn.execute(text(left))])
    assert [row[:2] for row in rows] == [(777, "dead"), (777, "dead"), (777, "sent"), (1, "pending")]
    assert "no other bot sends its messages" in rows[0][2]
    states = "SELECT state FROM updates ORDER BY bot_id"
    assert await db.read(lambda conn: list(conn.execute(text(states)).scalars())) == ["received", "dead"]
    assert await db.read(lambda conn: is_active(conn, 777)) is None
    assert await db.read(lambda conn: conn.execute(select(telegram_bots)).all()) == []


@pytest.mark.parametrize(
    ("made_for", "used_with", "lets_in"),
    [(777, 777, True), (777, 1, False), (None, 777, False), (None, 1, True)],
)
async def test_code_lets_people_in_with_its_own_bot_alone(
    database: SqliteDatabase, made_for: int | None, used_with: int, lets_in: bool
) -> None:
    """A pairing code is for one bot: the settings' one, or the added one that it was made for."""

    def unit(conn: Connection) -> bool:
        add_bot(conn, SEAL, HELPER, 1)
        new_code(conn, pairing_purpose(made_for), "ABCD", now_ms=1, lifetime_ms=100)
        return pair(conn, used_with, Speaker(8, "Grace"), "ABCD", 2)

    assert await database.write(unit) is lets_in
