"""A SavedModel is a program: checked before it is loaded, and kept in a process where it finds nothing."""
