"""Signals from accounts to the apps that build on them."""

from django.dispatch import Signal

sessions_ended = Signal()  # user: signed out everywhere, possibly except in the session that asked for it
newcomer_waits = Signal()  # user: who waits for approval; site: the base URL they signed up at
# user, and site: the base URL the user signed in at, '' if triggered by the scheduler. Sent within the transaction
# that ends an expired suspension.
suspension_over = Signal()
