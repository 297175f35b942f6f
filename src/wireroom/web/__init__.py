"""The page: a local chat with live log, served from this package without a build step."""
