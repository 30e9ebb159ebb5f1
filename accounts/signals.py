"""What accounts tell the apps that build on them."""

from django.dispatch import Signal

suspension_over = Signal()  # user: sent within the transaction that ends a suspension whose time has come
