"""A real S3 server on loopback, moto's, and a line to it that can be cut in the middle of a request."""

from __future__ import annotations

import io
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, formatdate, parsedate_to_datetime
from typing import Any

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Strictly:
    """moto as S3 is: a request counts once all of it is there, and a condition is looked at and
    acted on in one step. moto alone looks first and stores then, while others do the same.

    `ignored` are headers of requests that the server does not know, `ahead` is what its clock says
    too much.
    """

    def __init__(
        self, app: Callable[..., Iterable[bytes]], ignored: Sequence[str], ahead: timedelta
    ) -> None:
        self._app, self._lock = app, threading.Lock()
        self._ignored, self._ahead = ignored, ahead

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        from werkzeug.exceptions import ClientDisconnected
        from werkzeug.wsgi import get_input_stream

        try:
            body = get_input_stream(environ).read()
        except ClientDisconnected:
            start_response("400 IncompleteBody", [])
            return []
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        for header in self._ignored:
            environ.pop(f"HTTP_{header.upper().replace('-', '_')}", None)

        def dated(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            sent = {name.lower(): value for name, value in headers}
            sent.pop("date", None)  # the server adds its own
            if "last-modified" in sent:
                moment = parsedate_to_datetime(sent["last-modified"]) + self._ahead
                sent["last-modified"] = format_datetime(moment, usegmt=True)
            return start_response(status, list(sent.items()), *rest)

        with self._lock:
            return [b"".join(self._app(environ, dated))]


@contextmanager
def s3_server(
    ignored: Sequence[str] = (), ahead: timedelta = timedelta(), port: int = 0
) -> Iterator[str]:
    """The URL of a server that keeps everything in memory, for the length of the block.

    The memory is the process's: all its servers, at once and in turn, have the same contents.
    """
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + ahead.total_seconds(), usegmt=True)

        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing."""

    app = Strictly(DomainDispatcherApplication(create_backend_app), ignored, ahead)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Line:
    """Passes connections on to a server, and cuts some of them."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition("//")[2].partition(":")
        self._server = host, int(port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._flows = threading.Event()
        self._flows.set()
        self.cut(b"", 0)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(
        self, method: bytes, times: int, *, request: int = 1 << 40, answer: int = 1 << 40
    ) -> None:
        """Cut the next `times` requests of a method after so many bytes of it, or of its answer."""
        self._method, self.cuts_left, self._request, self._answer = method, times, request, answer

    def stall(self, stalled: bool = True) -> None:
        """From now on pass nothing on, and say nothing: as a network does that drops everything."""
        if stalled:
            self._flows.clear()
        else:
            self._flows.set()

    def stalled(self) -> None:
        """Called when something is not passed on."""

    def close(self) -> None:
        """Take no more connections."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            doomed, left = False, {client: 0, server: 0}
            for source, data in _traffic(client, server):
                if not self._flows.is_set():
                    self.stalled()
                    self._flows.wait()
                if source is client and data.startswith((b"PUT ", b"GET ", b"DELETE ")):
                    doomed = self.cuts_left > 0 and data.startswith(self._method)
                    left = {client: self._request, server: self._answer}
                goes_on = data.startswith(b"HTTP/1.1 100 ")  # no answer yet
                passed = data if goes_on or not doomed else data[: left[source]]
                (server if source is client else client).sendall(passed)
                left[source] -= 0 if goes_on else len(data)
                if doomed and left[source] < 0:
                    self.cuts_left -= 1
                    return


def _traffic(*sides: socket.socket) -> Iterator[tuple[socket.socket, bytes]]:
    """Where from and what, until either side ends."""
    with selectors.DefaultSelector() as ready:
        for side in sides:
            ready.register(side, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                source: Any = key.fileobj
                try:
                    data = source.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                yield source, data
