"""One file a version; the newest is the schema of this release."""
