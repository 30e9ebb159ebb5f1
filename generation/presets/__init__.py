"""Settings that are kept under a name."""
