"""Model families that make clips by themselves: one engine for all, and what differs stands in their entries."""
