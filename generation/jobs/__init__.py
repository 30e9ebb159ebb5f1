"""Job pages, the activity panel and live updates."""
