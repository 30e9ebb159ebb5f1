"""Quotas: how much each user may use, what they have used, and the refusal of what goes beyond it."""
