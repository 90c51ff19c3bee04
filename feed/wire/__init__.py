"""The client protocol as pure functions: commands in, messages and frames out."""
