"""Process management on one machine."""
