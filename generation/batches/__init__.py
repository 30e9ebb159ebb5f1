"""Batches of prompts: parsing, validation, queueing, progress and export."""
