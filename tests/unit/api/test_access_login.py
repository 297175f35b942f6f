"""How often a password may be tried, and how passwords are kept."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from starlette.exceptions import HTTPException

from wireroom.api.access_login import LoginTries
from wireroom.api.access_passwords import Passwords, fits_hash, make_hash
from wireroom.api.shared_budgets import MemoryBudgets

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"
DAY_SECONDS = 86_400


class Tries(LoginTries):
    """Tries on a clock that the test sets."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0
        super().__init__(MemoryBudgets(lambda: self.now))

    async def at(self, now: float, name: str, address: str = HOME) -> float:
        """Count a try of this moment."""
        self.now = now
        return await self.begin(name, address)


async def test_fifth_wrong_try_is_the_last_for_three_minutes() -> None:
    """Then one more each three minutes, whoever asks how often meanwhile; other names are not held up."""
    tries = Tries()
    assert [await tries.at(100.0, "ada") for _ in range(5)] == [0.0] * 5
    assert [await tries.at(100.0, "ada", ELSEWHERE) for _ in range(50)] == pytest.approx([180.0] * 50)
    assert await tries.at(100.0, "bob", ELSEWHERE) == 0.0
    assert await tries.at(281.0, "ada") == 0.0
    assert await tries.at(281.0, "ada") > 0


async def test_wait_grows_with_a_day_of_guessing() -> None:
    """Who guesses a name all day has 20 tries at once or in the first hour, and one in 72 minutes after."""
    tries, passed, now = Tries(), [], 0.0
    while now < DAY_SECONDS:
        wait = await tries.at(now, "ada")
        if not wait:
            passed.append(now)
        now += wait + 0.001
    waits = [later - earlier for earlier, later in pairwise(passed)]
    assert len(passed) < 70
    assert max(waits[:10]) < 200
    assert min(waits[-5:]) > 1000


async def test_address_has_few_tries_for_all_names_together() -> None:
    """Twenty names of one address, then a wait; each other address has its own."""
    tries = Tries()
    waits = [await tries.at(5.0, f"name{number}") for number in range(30)]
    assert waits[:20] == [0.0] * 20
    assert min(waits[20:]) > 0
    assert await tries.at(5.0, "name1", ELSEWHERE) == 0.0


async def test_right_tries_are_not_counted() -> None:
    """Somebody may log in and out all day."""
    tries = Tries()
    for _ in range(200):
        assert await tries.at(5.0, "ada") == 0.0
        await tries.was_right("ada", HOME)


def test_hash_is_argon2id_and_fits_its_password_only() -> None:
    """Salted, so that equal passwords look different; what is no hash fits nothing."""
    first, second = make_hash("correct horse"), make_hash("correct horse")
    assert re.fullmatch(r"\$argon2id\$v=19\$m=47104,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}", first)
    assert first != second
    assert fits_hash("correct horse", first)
    assert not fits_hash("correct horse ", first)
    assert not fits_hash("correct horse", "plain text")


async def test_unknown_account_has_a_hash_like_any_other() -> None:
    """It is checked as long, and never right."""
    passwords = Passwords()
    hidden = passwords._of_nobody
    assert (
        hidden.rpartition("$")[0].rpartition("$")[0] == make_hash("x").rpartition("$")[0].rpartition("$")[0]
    )
    assert not await passwords.is_right("x", None)
    assert await passwords.is_right("x", make_hash("x"))


async def test_crowd_at_the_door_is_sent_away() -> None:
    """A few are looked at, a few wait, the rest is told to come back: no memory grows."""
    passwords = Passwords()
    found = await asyncio.gather(*(passwords.is_right("x", None) for _ in range(40)), return_exceptions=True)
    refused = [one for one in found if isinstance(one, HTTPException)]
    assert {one.status_code for one in refused} == {503}
    assert found.count(False) == 40 - len(refused) == 22
