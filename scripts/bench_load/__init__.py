"""A site under load."""
