"""`make audit`: what is known to be wrong with our packages, our code and our history."""
