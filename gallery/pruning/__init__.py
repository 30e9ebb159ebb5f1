"""What a crash, a mistake or time leaves behind: found, explained, and deleted by rules (`manage.py prune`)."""
