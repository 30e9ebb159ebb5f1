"""Signals about jobs, for other apps."""

from django.dispatch import Signal

# Sent with `job` and `output` (a dict, see workers/assembly.py) inside the transaction that ends the job. If a receiver
# raises, the transaction rolls back, so a job is never done without its video.
job_done = Signal()
# Sent with `job` (as it was before the move: for its IDs) and `status`, one of ENDED, after the commit. What a receiver
# raises is only logged.
job_ended = Signal()
