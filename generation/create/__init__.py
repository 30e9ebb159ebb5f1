"""The create page: its form, what fills it, and what it says before anything is queued."""
