"""Render requests: their fields, validation and what this site offers."""
