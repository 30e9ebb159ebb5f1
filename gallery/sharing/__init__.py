"""Sharing videos: links, Explore, likes, tags, profiles."""
