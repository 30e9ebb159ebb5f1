"""What a person does with their own videos: the library, its collections and its trash."""
