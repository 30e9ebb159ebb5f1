"""The version of this software; all machines of a site should run the same one."""

VERSION = "0.1.0"  # as in pyproject.toml
