"""The desk where agents ask for permission, as settings want it."""

from __future__ import annotations

from datetime import timedelta

from wireroom.app.engine import Engine
from wireroom.app.ids import new_id
from wireroom.clock import Clock
from wireroom.runs.feed import Feed
from wireroom.runs.permission_rules import read_rules
from wireroom.runs.permissions import PermissionPolicy, Permissions
from wireroom.settings import Settings


def make_permissions(settings: Settings, engine: Engine, clock: Clock, feed: Feed) -> Permissions:
    """Return the desk.

    Raises:
        SettingsError: a rule cannot be read.
    """
    policy = PermissionPolicy(
        rules=read_rules(settings.permission_rules),
        wait=timedelta(seconds=settings.permission_seconds),
        allow_by_default=settings.permission_default == "allow",
    )
    return Permissions(db=engine.db, jobs=engine.jobs, clock=clock, feed=feed, policy=policy, new_id=new_id)
