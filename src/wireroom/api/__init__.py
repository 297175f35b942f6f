"""The HTTP surface by contract: Telegram webhook, health, runs, deliveries."""
