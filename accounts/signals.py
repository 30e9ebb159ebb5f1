"""What accounts tell the apps that build on them."""

from django.dispatch import Signal

sessions_ended = Signal()  # user: signed out everywhere, or everywhere but where they asked for it
# user, and site, the address at which they reached it ('' where the scheduler acts): sent within the transaction that
# ends a suspension whose time has come
suspension_over = Signal()
