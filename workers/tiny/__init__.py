"""The tiny models that ship: the world they know, how they are trained, and how they are measured."""
