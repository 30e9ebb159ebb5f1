"""Several clips side by side: variations of one request, or a selection from the library."""
