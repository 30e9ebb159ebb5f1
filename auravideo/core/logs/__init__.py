"""Log lines: their format, the IDs on them, and the secrets kept out of them."""
