"""Real coding agents against a scripted model: `make test-agents`. Nothing here runs in `make test`."""
