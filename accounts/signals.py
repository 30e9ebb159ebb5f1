"""Signals from accounts to the apps that build on them."""

from django.dispatch import Signal

newcomer_waits = Signal()  # user: who waits for approval; site: the base URL they signed up at
# user: signed out everywhere; but, if given: the key of the session that asked for it and goes on.
sessions_ended = Signal()
session_ended = Signal()  # user, and data: what the session contained. One session, which the user ended elsewhere
# user, and site: the base URL the user signed in at, '' if triggered by the scheduler. Sent within the transaction
# that ends an expired suspension.
suspension_over = Signal()
