"""Videos, posters and previews as files, access-checked."""
