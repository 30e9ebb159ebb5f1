"""Metrics of the whole site, whichever process they come from (docs/adr/0010-metrics-of-the-site.md).

Each process counts with prometheus_client and adds what it counted to totals in Redis; any web process serves them.
"""
