"""Presets: named settings to start from."""
