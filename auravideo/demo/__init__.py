"""Demo content for screenshots and browser tests."""
