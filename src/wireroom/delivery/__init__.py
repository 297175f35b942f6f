"""From a result to messages a person sees, exactly once. `render`, `split`, `lanes`, `plan` decide."""
