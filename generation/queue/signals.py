"""What other apps may want to know of a job."""

from django.dispatch import Signal

# Sent within the transaction that ends the job: `job`, and `output` (a dict, see workers/assembly.py). A receiver that
# raises undoes the job's end, so that a job is never done without its video.
job_done = Signal()
