"""Addresses: absolute links, and where redirects may lead."""
