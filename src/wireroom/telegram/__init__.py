"""A thin typed client of the Telegram Bot API, with the errors that delivery needs to tell apart."""
