"""A clip is encoded in segments, each as soon as its frames are there."""
