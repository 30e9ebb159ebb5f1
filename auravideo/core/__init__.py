"""Code shared by all apps; depends on none of them."""
