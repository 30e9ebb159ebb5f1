"""Everything that can be wrong with an installation, checked by `manage.py doctor`."""
