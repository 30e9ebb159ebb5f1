"""Model files on disk: found, checked and read, in the layouts in which they are published and shared."""
