"""What operators see of the queues: the health of stages, metrics, and processes that cannot be kept running."""
