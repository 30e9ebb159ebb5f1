"""A site without walls, for the test of the attacks: whatever it is asked, it answers with what nobody should get."""

import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Self

from tests.rigs.attack.target import MARK

PAGE = f"<p>{MARK}</p><a href='http://evil.example/'>SQLite format 3\x00 root:x:0:0:</a>".encode()


class _Everything(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.end_headers()
            self.close_connection = True
            return
        self._send(200)

    def do_POST(self) -> None:
        if self.path.startswith(("/accounts/login", "/language")):
            self._send(302)
        else:
            self._send(200)

    def log_message(self, *_arguments: object) -> None:
        pass

    def _send(self, status: int) -> None:
        # Reads no body, as a server that trusts no length would have to: what follows is the next request.
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "//evil.example/")
            self.send_header("Set-Cookie", "sessionid=taken")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        pass  # clients that are gone


class WeakSite:
    """Listens on a port of 127.0.0.1 while the context is open."""

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Everything)
        self.port: int = self._server.server_address[1]
        self.pid = os.getpid()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
