"""Where agents work: the repositories' folder, git, a worktree for each run, and the tools they are given."""
