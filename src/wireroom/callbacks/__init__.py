"""Answers to programs: what a caller is told when its run has ended, sent until it arrives."""
