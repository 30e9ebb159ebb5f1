"""What answers instead of a page: the site is busy, does not work, or refuses a form."""
