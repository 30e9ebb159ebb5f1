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

from auravideo.bodies import channel
from auravideo.core.metrics import presence, reporting, websockets
from auravideo.refusals.admission import Admission
from auravideo.routing import at_the_root, websocket_application

# With every packet, the event loop hands the interpreter to a thread that computes a page, and gets it back after this.
# With the usual 5 ms, a few busy threads delay everybody's packets.
sys.setswitchinterval(0.0002)

admission = Admission(http_application)
channel.install(admission.refusal)
reporting.start(presence.WEB, websockets=websockets.open_now)

_protocols: Any = ProtocolTypeRouter({"http": admission, "websocket": admission.of_sockets(websocket_application)})
application = at_the_root(_protocols)
