"""Who may join: the rules, invitations, and newcomers who wait for approval."""
