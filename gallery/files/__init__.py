"""Videos, posters and previews as files, for whoever may see them."""
