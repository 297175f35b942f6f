"""One suite on each implementation of a port."""
