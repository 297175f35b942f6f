"""Stories to learn from: happy paths, one concept each."""
