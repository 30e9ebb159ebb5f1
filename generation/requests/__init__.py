"""What can be asked for, and what of it this site has."""
