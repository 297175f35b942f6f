"""Which hosts are not called for a while."""

from __future__ import annotations

import pytest

from wireroom.outbound.hosts import HoldPolicy, HostHeld, Hosts

HOST = "http://example.com:80"


class Office:
    """Hosts on a clock that stands still."""

    def __init__(self, failures: int = 3, most_hosts: int = 100) -> None:
        self.now = 100.0
        self.hosts = Hosts(HoldPolicy(failures, 15.0), lambda: self.now, most_hosts=most_hosts)

    def fail(self, times: int, host: str = HOST) -> None:
        """Let calls fail."""
        for _ in range(times):
            self.hosts.failed(host)

    def may_call(self, host: str = HOST) -> bool:
        """Tell whether a call would be made."""
        try:
            self.hosts.admit(host)
        except HostHeld:
            return False
        return True


def test_host_is_held_after_so_many_failures_in_a_row() -> None:
    """The third failure holds it for fifteen seconds, and the refusal says for how long."""
    office = Office()
    office.fail(2)
    assert office.may_call()
    office.fail(1)
    with pytest.raises(HostHeld, match="15 s") as raised:
        office.hosts.admit(HOST)
    assert raised.value.seconds == 15.0
    assert office.hosts.held == 1


@pytest.mark.parametrize("status", [200, 204, 301, 404, 429, 500])
def test_any_answer_shows_that_somebody_is_there(status: int) -> None:
    """Failures are counted in a row: an answer, an error of the program too, begins the count anew."""
    office = Office()
    office.fail(2)
    office.hosts.answered(HOST, status)
    office.fail(2)
    assert office.may_call()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_proxy_without_anybody_behind_it_is_a_failure(status: int) -> None:
    """What a proxy says of a dead program counts like no answer."""
    office = Office()
    for _ in range(3):
        office.hosts.answered(HOST, status)
    assert not office.may_call()


def test_one_call_tries_a_held_host_again() -> None:
    """After its time one goes through and others wait a moment; its success frees the host."""
    office = Office()
    office.fail(3)
    office.now += 15.0
    assert office.may_call()
    assert not office.may_call()
    office.hosts.answered(HOST, 200)
    assert office.may_call()
    assert office.hosts.held == 0


def test_failed_trial_holds_the_host_again() -> None:
    """Nobody calls it for the whole time once more."""
    office = Office()
    office.fail(3)
    office.now += 15.0
    assert office.may_call()
    office.fail(1)
    office.now += 14.9
    assert not office.may_call()


def test_trial_that_is_never_told_of_does_not_hold_a_host_for_good() -> None:
    """A call that was cancelled leaves the host to the next one."""
    office = Office()
    office.fail(3)
    office.now += 15.0
    assert office.may_call()
    office.now += 1.0
    assert office.may_call()


def test_hosts_do_not_answer_for_each_other() -> None:
    """Another port is another host."""
    office = Office()
    office.fail(3)
    assert office.may_call("http://example.com:8080")


def test_zero_failures_hold_nobody() -> None:
    """The setting that switches it off."""
    office = Office(failures=0)
    office.fail(100)
    assert office.may_call()


def test_memory_is_bounded() -> None:
    """Of very many failing hosts the least recent are forgotten."""
    office = Office(failures=1, most_hosts=2)
    for host in ("a", "b", "c"):
        office.fail(1, host)
    assert [office.may_call(host) for host in "abc"] == [True, False, False]
