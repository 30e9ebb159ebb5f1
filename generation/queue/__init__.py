"""The life of a job: queueing, claiming, recovery and announcements."""
