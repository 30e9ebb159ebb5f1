"""One's own queue: pausing it, and the order of the clips that wait in it."""
