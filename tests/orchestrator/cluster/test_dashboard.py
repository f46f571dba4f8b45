"""`submit` and `status --address` before a dashboard that answers at first, and then no more."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import ray

OK, REFUSED, BROKEN, CLOSED, CUT = 200, 401, 500, 0, 1
"""What becomes of a request: an HTTP status, or the connection is closed, at once or once it is used."""
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py"\nOSError: its disk is full\n'
VERSION, LISTED, SENT, TAILED, SAID, TOLD = (
    "GET /api/version",
    "GET /api/jobs/",
    "POST /api/jobs/",
    "GET /api/jobs/[^/]+/logs/tail",
    "GET /api/jobs/[^/]+/logs",
    "GET /api/jobs/[^/]+",
)
REPLIES = {
    VERSION: {"ray_version": ray.__version__},
    LISTED: [],
    SAID: {"logs": "n: finished\n"},
    TOLD: {
        "type": "SUBMISSION",
        "entrypoint": "",
        "status": "SUCCEEDED",
        "driver_exit_code": 0,
    },
    "DELETE .*": {"deleted": True},
    ".*/stop": {"stopped": False},
}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of the handshake of WebSockets, RFC 6455."""


class Dashboard(BaseHTTPRequestHandler):
    """What `status` and `submit` ask of Ray's: jobs that end at once, and faults."""

    outcomes: dict[str, int]
    got: list[str]

    def answer(self) -> None:
        request = f"{self.command} {self.path}"
        self.got.append(request)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        patterns = {VERSION: OK, **self.outcomes}
        outcome = next(patterns[p] for p in patterns if re.fullmatch(p, request))
        if outcome == CLOSED:
            self.close_connection = True
        elif outcome != CUT and outcome != OK:
            self.reply(outcome, TRACEBACK)
        elif re.fullmatch(TAILED, request):
            self.tail(cut=outcome == CUT)
        elif request == SENT:
            self.reply(OK, json.dumps({**SENT_JOB, **identity_in(body)}))
        else:
            said = next((REPLIES[p] for p in REPLIES if re.fullmatch(p, request)), {})
            self.reply(OK, json.dumps(said))

    def reply(self, status: int, said: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said.encode())

    def tail(self, cut: bool) -> None:
        """A WebSocket that says nothing, and ends as it should unless it is cut."""
        self.protocol_version = "HTTP/1.1"
        self.send_response(101)
        key = b64encode(sha1(self.headers["Sec-WebSocket-Key"].encode() + GUID).digest())
        for header in ("Upgrade", "websocket"), ("Connection", "Upgrade"):
            self.send_header(*header)
        self.send_header("Sec-WebSocket-Accept", key.decode())
        self.end_headers()
        if not cut:
            self.wfile.write(b"\x88\x02\x03\xe8")  # closed, for good reasons
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


SENT_JOB = {"job_id": "raysubmit_1", "submission_id": "raysubmit_1"}


def identity_in(body: bytes) -> dict[str, str]:
    """The id that was asked for, if one was."""
    asked = json.loads(body).get("submission_id")
    return {"job_id": asked, "submission_id": asked} if asked else {}


@contextmanager
def dashboard(outcomes: dict[str, int]) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the requests that it got. `outcomes` are by request, a pattern."""
    handler = type("Handler", (Dashboard,), {"outcomes": outcomes, "got": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler.got
        finally:
            server.shutdown()


SUBMIT = "submit", "--task", "digits-class:1", "--name", "n", "--storage", "/mnt/sweeps"
STATUS = "status", "n", "--storage", "/mnt/sweeps"
NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}


def complaint(done: Any) -> str:
    """What a command said at last; it showed no traceback."""
    assert "Traceback" not in done.stderr
    return str(done.stderr.splitlines()[-1])


def test_the_answer_of_a_job_that_ended_and_was_deleted(orchestrate):
    with dashboard({".*": OK}) as (address, got):
        done = orchestrate(*STATUS, "--address", address, **NO_TOKEN)
    assert (done.returncode, done.stdout) == (0, "n: finished\n"), done.stderr
    assert got[-1].startswith("DELETE /api/jobs/")


@pytest.mark.parametrize("arguments", [SUBMIT, STATUS], ids=lambda value: value[0])
@pytest.mark.parametrize(
    ("fault", "code", "named"),
    [
        (BROKEN, 1, "Request failed with status code 500: OSError: its disk is full"),
        (CLOSED, 1, "onnection aborted"),
        (REFUSED, 2, "Authentication required"),
    ],
    ids=["500", "closed", "401"],
)
def test_a_dashboard_that_fails_is_one_line(arguments, fault, code, named, orchestrate):
    with dashboard({".*": fault}) as (address, _):
        done = orchestrate(*arguments, "--address", address, **NO_TOKEN)
    assert done.returncode == code
    said = complaint(done)
    assert said.startswith(f"orchestrator: dashboard at {address}: ")
    assert named in said


@pytest.mark.parametrize(
    ("request_", "fault"),
    [(SENT, CLOSED), (TAILED, BROKEN), (TAILED, CLOSED), (TAILED, CUT), (SAID, BROKEN), (TOLD, CLOSED)],
    ids=["sent closed", "tailed 500", "tailed closed", "tailed cut", "said 500", "told closed"],
)  # fmt: skip
def test_the_job_that_asks_is_deleted_whatever_happens(request_, fault, orchestrate):
    with dashboard({request_: fault, ".*": OK}) as (address, got):
        done = orchestrate(*STATUS, "--address", address, **NO_TOKEN)
    assert re.fullmatch(r"DELETE /api/jobs/\w+", got[-1])
    assert done.returncode == 1
    assert complaint(done).startswith(f"orchestrator: dashboard at {address}: ")


def test_a_job_that_could_not_be_deleted_is_named(orchestrate):
    with dashboard({f"{TAILED}|DELETE .*": CLOSED, ".*": OK}) as (address, _):
        done = orchestrate(*STATUS, "--address", address, **NO_TOKEN)
    assert done.returncode == 1
    assert re.search(rf"ray job delete --address {address} \w+$", complaint(done))
