"""Pausing all rendering of the site, so that the graphics cards are free for something else."""
