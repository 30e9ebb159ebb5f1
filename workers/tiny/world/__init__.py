"""The small world of the bundled models: drawing, describing and judging it."""
