"""Which names people may have: of one script, without invisible characters, and unlike those of others."""
