"""The small world that the shipped models know: drawn, described and judged."""
