"""The processes that turn a job into a clip: tasks, engines, frames and media."""
