"""The machine and its operating system: what they have, and what they allow."""
