"""The graphics card as workers share it: what it reports, when it fails, and how it is handed from one to the next."""
