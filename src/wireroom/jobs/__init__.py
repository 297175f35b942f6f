"""The job engine: one port, two adapters. A job points at a domain row; see `jobs.port`."""
