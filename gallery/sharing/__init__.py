"""Videos that others may see: links, explore, likes, tags, profiles."""
