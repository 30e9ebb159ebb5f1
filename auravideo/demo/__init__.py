"""A site that is not empty, for screenshots and browser tests."""
