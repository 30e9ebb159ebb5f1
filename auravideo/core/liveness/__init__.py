"""How a process shows that it is alive (a file) and that it advances (shared memory)."""
