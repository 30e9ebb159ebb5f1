"""What rendering costs on this machine: clips rendered by the workers' own code, timed stage by stage."""
