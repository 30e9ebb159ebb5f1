#!/usr/bin/python3
"""Receive emails on port 1025; list them at :8025/api/v1/messages as Mailpit does."""

import email
import json
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

received: list[dict] = []


class Inbox(Message):
    """Keeps what arrives, the latest first."""

    def prepare_message(self, session, envelope) -> EmailMessage:
        return email.message_from_bytes(envelope.content, policy=default)

    def handle_message(self, message: EmailMessage) -> None:
        people = {
            field: [{"Name": name, "Address": address} for name, address in getaddresses([str(message[field])])]
            for field in ("From", "To")
        }
        text = message.get_body(("plain",)).get_content()
        sender, subject = people["From"][0], message["Subject"]
        received.insert(0, {"From": sender, "To": people["To"], "Subject": subject, "Snippet": text})


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/api/v1/messages"
        body = json.dumps({"total": len(received), "messages": received} if found else {}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)


Controller(Inbox(), hostname="0.0.0.0", port=1025).start()
ThreadingHTTPServer(("0.0.0.0", 8025), Api).serve_forever()
