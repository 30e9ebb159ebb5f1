"""Watching jobs: their pages, the activity panel, live updates."""
