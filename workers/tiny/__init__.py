"""The bundled tiny models: their world, training and evaluation."""
