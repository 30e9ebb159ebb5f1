"""The bundled models' architectures."""
