"""Scheduled and one-time agents: HTTP calls and prompts that go out at their time, through queues."""
