"""The ASGI application: Django's pages and the WebSockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")

from auravideo import tracing

tracing.start("web")
http_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  Django must be set up first
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from auravideo.admission import Admission  # noqa: E402
from auravideo.bodies import channel  # noqa: E402
from auravideo.core.metrics import presence, reporting, websockets  # noqa: E402
from auravideo.routing import websocket_urlpatterns  # noqa: E402

channel.install()
reporting.start(presence.WEB, websockets=websockets.open_now)

application = ProtocolTypeRouter(
    {
        "http": Admission(http_application),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
