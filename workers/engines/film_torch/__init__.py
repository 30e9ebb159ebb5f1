"""FILM in torch, with the weights of a TensorFlow SavedModel: for cards that TensorFlow's wheel cannot use."""
