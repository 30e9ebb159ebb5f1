"""Model files that operators drop into `models/inbox/`: recognised by their headers, approved by staff."""
