"""A mail server that keeps what it is sent: enough of SMTP (RFC 5321) for one client at a time."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class Mailbox:
    """`mails` are those accepted; `refuses` answers every recipient with 550."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = False


@contextmanager
def mail_server() -> Iterator[tuple[str, Mailbox]]:
    """Its `host:port` and what it keeps."""
    box = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self._say("354 go on")
                    content = b"".join(iter(self.rfile.readline, b".\r\n"))
                    box.mails.append(message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
                    self._say("250 kept")
                elif verb == b"RCPT" and box.refuses:
                    self._say("550 no such mailbox")
                elif verb == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 fine")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", box
        server.shutdown()
        thread.join()
