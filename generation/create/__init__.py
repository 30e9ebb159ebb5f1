"""The create page: its form, its prefilled values, and the summary shown before anything is queued."""
