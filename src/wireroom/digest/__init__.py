"""The daily digest of a chat: what was done, what waits for somebody, what it cost."""
