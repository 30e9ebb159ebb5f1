"""What programs of strangers ask for at fixed addresses: where to report a hole, and what they may read."""
