"""A user's own videos: the library, its collections and its trash."""
