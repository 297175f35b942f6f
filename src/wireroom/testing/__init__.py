"""Public fakes for tests of Wireroom and of programs beside it: real servers and real processes."""
