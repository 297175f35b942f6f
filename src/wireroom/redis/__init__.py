"""One pool of Redis connections for the process, and the news that go through it; nothing needs either."""
