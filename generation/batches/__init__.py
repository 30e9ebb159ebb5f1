"""Many prompts at once: read, checked, queued, watched and exported."""
