"""A job's life: how it is queued, claimed, recovered and announced."""
