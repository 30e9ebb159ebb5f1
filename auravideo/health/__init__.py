"""What /healthz and /healthz/live answer, for load balancers, containers and the curious."""
