"""From a chat update to an accepted request. `update`, `commands` and `access` decide; the rest obeys."""
