"""What a user sees of the security of the own account: sessions, what happened to it, and the emails about that."""
