"""What was read or computed at some cost, kept at hand for as long as it is true: memory, Redis, disk."""
