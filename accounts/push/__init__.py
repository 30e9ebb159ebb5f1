"""Messages to a user's browsers by Web Push (RFC 8030), also while no page of the site is open."""
