"""`/api/performance` on a running service: the windows, and profiles that nobody waits for."""

from __future__ import annotations

import aiohttp

from wireroom.app.service import Service
from wireroom.perf.history_reading import COLUMNS
from wireroom.testing.eventually import eventually

ROUTE = "GET /api/runs/{run_id}"


async def test_performance_tells_of_the_window_what_was_counted(
    service: Service, program: aiohttp.ClientSession, stranger: aiohttp.ClientSession
) -> None:
    """Routes, totals, queues, pools, memory and rows to draw, the same until the next look at the process."""
    history = service.services.history
    assert history is not None
    for _ in range(20):
        async with program.get("/api/runs/no-such-run") as response:
            assert response.status == 404
    await history.look()

    for window in ("5m", "1h", "24h"):
        async with program.get(f"/api/performance?window={window}") as response:
            assert response.status == 200, await response.text()
            shown = await response.json()
        assert shown["window"]["name"] == window
        assert shown["window"]["seconds"] > 0
    (route,) = [one for one in shown["routes"] if one["route"] == ROUTE]
    assert route["calls"] >= 20
    assert 0 < route["p50_ms"] <= route["p95_ms"] <= route["p99_ms"]
    assert shown["totals"]["requests"] >= 20
    assert shown["memory"]["resident_bytes"] > 10_000_000
    assert {"size", "busy", "waiting"} <= shown["pools"][0].keys()
    assert shown["statements"][0]["calls"] > 0
    assert set(shown["series"]["columns"]) == set(COLUMNS)
    assert shown["process"]["history_bytes"] < shown["process"]["history_most_bytes"] < 5_000_000

    looks = history.looks
    async with program.get("/api/performance") as response:
        etag = response.headers["ETag"]
    async with program.get("/api/performance", headers={"If-None-Match": etag}) as response:
        assert response.status == 304 or history.looks > looks
    for query, client, status in (("?window=7d", program, 422), ("", stranger, 401)):
        async with client.get(f"/api/performance{query}") as response:
            assert response.status == status


async def test_profile_is_taken_in_the_background_and_kept(
    service: Service, program: aiohttp.ClientSession
) -> None:
    """One at a time; its flame graph can be read when it is taken, as can one of the command line."""
    address = "/api/performance/profiles"
    async with program.post(address, json={"kind": "loop", "seconds": 0.5}) as response:
        begun = await response.json()
        assert (response.status, begun["state"]) == (202, "taking")
    async with program.post(address, json={"kind": "cpu", "seconds": 1}) as response:
        assert response.status == 409
    for body in ({"kind": "sql"}, {"seconds": 61}, {"seconds": 0}):
        async with program.post(address, json=body) as response:
            assert response.status == 422

    async def is_taken() -> bool:
        async with program.get(address) as response:
            return bool((await response.json())["profiles"][0]["state"] == "taken")

    await eventually(is_taken, "the profile is taken", timeout_seconds=20)
    async with program.get(f"{address}/{begun['id']}") as response:
        flame = await response.json()
    depth, frame, total, _ = flame["boxes"][0]
    assert (depth, flame["frames"][frame][0], total) == (0, "all", flame["total"])
    async with program.get("/admin/profile/cpu?seconds=0.3&within=true") as response:
        assert response.status == 200
    async with program.get(address) as response:
        kinds = [one["kind"] for one in (await response.json())["profiles"]]
    assert kinds[-1] == "loop"
    async with program.get(f"{address}/no-such-profile") as response:
        assert response.status == 404
