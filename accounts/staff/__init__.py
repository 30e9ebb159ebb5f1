"""What the people who run the site have to do before they may: the administration, its doors and its records."""
