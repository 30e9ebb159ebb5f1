"""The safety check's eyes: what a network thinks of the pictures of a finished clip. Pure: no models, no settings."""
