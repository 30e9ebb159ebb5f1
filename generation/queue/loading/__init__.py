"""Loading models: how long it takes, and loading those of later stages ahead."""
