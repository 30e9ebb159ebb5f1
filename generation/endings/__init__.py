"""Telling a user that clips have ended, also while no page of the site is open."""
