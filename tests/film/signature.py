"""FILM's signature: two batches of frames, and for each pair where between them the answer lies."""

import tensorflow as tf

SIGNATURE = [
    {
        "x0": tf.TensorSpec([None, None, None, 3], tf.float32),
        "x1": tf.TensorSpec([None, None, None, 3], tf.float32),
        "time": tf.TensorSpec([None, 1], tf.float32),
    }
]
