"""The ASGI application: Django's pages and the WebSockets."""

import os
import sys
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")

from auravideo import tracing
from auravideo.commands import cannot_start
from auravideo.core.liveness import parents

try:
    parents.follow()
    tracing.start("web")
    http_application = get_asgi_application()
except ImproperlyConfigured as error:
    sys.exit(cannot_start(error))

from channels.routing import ProtocolTypeRouter  # Django must be set up first

from auravideo.admission import Admission
from auravideo.bodies import channel
from auravideo.core.metrics import presence, reporting, websockets
from auravideo.routing import at_the_root, websocket_application

channel.install()
reporting.start(presence.WEB, websockets=websockets.open_now)

_protocols: Any = ProtocolTypeRouter({"http": Admission(http_application), "websocket": websocket_application})
application = at_the_root(_protocols)
