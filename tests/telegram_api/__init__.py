"""A second opinion: our client and our service against an emulator of the Bot API that others wrote."""
