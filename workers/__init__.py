"""The worker processes, which turn a job into a video: tasks, engines, frames and media."""
