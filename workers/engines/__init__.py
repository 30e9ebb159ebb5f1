"""The networks that do the work. An engine takes arrays and gives arrays; it knows no Django, no job and no queue."""
