"""Load: people who write, speak, file tasks, watch and call, played against a service, and what came of it.

`conduct` leads a measurement. The people are Locust's and act in a process of their own (`locust_program`),
because Locust changes the standard library's sockets. What it all means is decided by pure modules:
`patterns`, `histogram`, `ledger`, `knee`, `findings`. How to read a report: docs/performance/load.md.
"""
