"""Reports, and what is done about them."""
