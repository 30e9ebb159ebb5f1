"""Reports, and the decisions moderators take on them."""
