"""How generated tests run: as long as they need, since the machine may be busy with other tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("wireroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wireroom")
