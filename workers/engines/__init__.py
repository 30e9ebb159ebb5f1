"""Inference engines: arrays in, arrays out. They know no Django, jobs or queues."""
