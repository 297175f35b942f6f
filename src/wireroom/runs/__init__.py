"""One execution of a prompt: its states, its attempts, its process, its verdict."""
