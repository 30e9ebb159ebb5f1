"""Who somebody is: which account is meant, and how often its password may be guessed."""
