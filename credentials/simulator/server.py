"""The HTTP side: connections kept alive, one thread for each, and what a broken server does with them."""

import gzip
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import responses
from typing import Any
from urllib.parse import unquote

from credentials.simulator import cast, control
from credentials.simulator.messages import Answer, Request
from credentials.simulator.providers import PROVIDERS
from credentials.simulator.routing import Router
from credentials.simulator.state import World

MAX_LINE, MAX_HEADERS, MAX_BODY = 65_536, 100, 8 * 1024 * 1024
# An answer that no provider gives: the simulator itself failed.
BUG = 599
BOMB = gzip.compress(b"\0" * 64 * 1024 * 1024, compresslevel=9)


class Malformed(Exception):
    """What came is no HTTP request that is taken here."""


class Connection(socketserver.StreamRequestHandler):
    """One connection, with one request after another."""

    disable_nagle_algorithm = True
    server: "Simulator"

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def handle(self) -> None:
        try:
            while not self.server.stopping.is_set() and self.one():
                pass
        except Malformed as error:
            self.send(Answer(400, f"{error}\n"), "GET", close=True)
        except OSError:
            # The client went away: that is its right.
            pass

    def one(self) -> bool:
        """Answers one request. Returns whether the connection stays open."""
        line = self.rfile.readline(MAX_LINE)
        if not line:
            return False
        arrived_ns, arrived = time.monotonic_ns(), time.time()
        try:
            method, target, version = line.decode("ascii").split()
        except ValueError:
            raise Malformed("a request line was expected") from None
        headers = self.read_headers()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.read_body(headers)
        close = version == "HTTP/1.0" or headers.get("connection", "").lower() == "close"
        raw, _, query = target.partition("?")
        host, _, path = raw.lstrip("/").partition("/")
        world = self.server.world
        request = Request(method, unquote(host).lower(), "/" + path, query, headers, body, world)
        try:
            answer = self.server.answer(request)
            if request.host != control.HOST:
                name = request.provider.name if request.provider else ""
                if wait := world.latency.get(name, 0) or world.latency.get("", 0):
                    self.server.stopping.wait(wait)
                with world.lock:
                    world.note(request, answer, arrived_ns, arrived)
            if answer.behaviour:
                return self.misbehave(answer)
            # Before the answer goes out: whoever has it may send the next request at once.
            world.leave(request)
            return self.send(answer, method, close)
        finally:
            world.leave(request)

    def read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _number in range(MAX_HEADERS):
            line = self.rfile.readline(MAX_LINE)
            if line in (b"\r\n", b"\n", b""):
                return headers
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise Malformed("a header was expected")
            headers[name.strip().lower()] = value.strip()
        raise Malformed("too many headers")

    def read_length(self) -> int:
        """The length of the next piece of a body, 0 at its end."""
        try:
            return int(self.rfile.readline(MAX_LINE).partition(b";")[0], 16)
        except ValueError:
            raise Malformed("the length of a piece was expected") from None

    def read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts, size = [], 0
            while length := self.read_length():
                size += length
                if size > MAX_BODY:
                    raise Malformed("the body is too large")
                parts.append(self.rfile.read(length))
                self.rfile.readline(MAX_LINE)
            self.rfile.readline(MAX_LINE)
            return b"".join(parts)
        length_text = headers.get("content-length", "0")
        if not length_text.isdigit() or int(length_text) > MAX_BODY:
            raise Malformed("the body's length is not one that is taken")
        return self.rfile.read(int(length_text))

    def send(self, answer: Answer, method: str, close: bool) -> bool:
        """Sends an answer in one piece. Returns whether the connection stays open."""
        content = answer.content()
        head = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        # The providers' clock, not ours: clients learn from it that theirs is wrong.
        head.append(f"Date: {self.server.date()}")
        head.append(f"Content-Length: {len(content)}")
        if close:
            head.append("Connection: close")
        self.wfile.write(
            "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else content)
        )
        return not close

    def misbehave(self, answer: Answer) -> bool:
        """Does what faults.BEHAVIOURS says. The connection is over afterwards."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        stopping = self.server.stopping
        if answer.behaviour == "hang":
            stopping.wait()
        elif answer.behaviour == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            # Closed beneath the readers and writers, which would keep it from being sent.
            self.server.cut(self.connection)
        elif answer.behaviour == "truncated":
            self.wfile.write(head + b'Content-Length: 4096\r\n\r\n{"id": "')
        elif answer.behaviour == "bomb":
            self.wfile.write(
                head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB
            )
        elif answer.behaviour == "drip":
            self.wfile.write(head + b"Content-Length: 86400\r\n\r\n")
            while not stopping.wait(self.server.drip_every):
                self.wfile.write(b" ")
        elif answer.behaviour == "endless":
            self.wfile.write(head + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n')
            while not stopping.is_set():
                self.wfile.write(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        return False


class Simulator(socketserver.ThreadingTCPServer):
    """The server. `url` is what PROVIDER_SIMULATOR_URL takes; `world` what the providers know."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, port: int = 0, count: int = 3, redirects: tuple[str, ...] = cast.REDIRECTS):
        self.stopping = threading.Event()
        self.open: set[socket.socket] = set()
        self.router = Router(PROVIDERS)
        self.count, self.redirects = count, redirects
        # Seconds between two bytes of an answer that drips.
        self.drip_every = 1.0
        self.bugs: list[str] = []
        self.dated = (0, "")
        self.world = World()
        cast.fill(self.world, count, redirects)
        super().__init__(("127.0.0.1", port), Connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reset(self) -> None:
        """Puts everything back as it was at the start, registered documents and the log included."""
        fresh = World()
        cast.fill(fresh, self.count, self.redirects)
        with self.world.lock:
            lock = self.world.lock
            self.world.__dict__.update(fresh.__dict__)
            self.world.lock = lock

    def answer(self, request: Request) -> Answer:
        """What comes back, whatever happens: a fault of our own has a status that no provider has."""
        try:
            with self.world.lock:
                if request.host == control.HOST:
                    return control.answer(request, self)
                return self.router.answer(request)
        except Exception:  # noqa: BLE001 - a test must see it as ours, and the server must go on
            self.bugs.append(traceback.format_exc())
            sys.stderr.write(self.bugs[-1])
            return Answer(BUG, "The simulator itself failed; its standard error says where.\n")

    def date(self) -> str:
        now = int(self.world.now())
        if self.dated[0] != now:
            self.dated = (now, time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)))
        return self.dated[1]

    def cut(self, connection: socket.socket) -> None:
        """Closes a connection with a reset."""
        self.open.discard(connection)
        socket.close(connection.detach())

    def shutdown_request(self, request: Any) -> None:
        if request.fileno() != -1:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keeps what a connection's thread failed with."""
        self.bugs.append(traceback.format_exc())
        sys.stderr.write(self.bugs[-1])

    def stop(self) -> None:
        """Ends the server and all its connections."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextmanager
def running(port: int = 0, **options: Any) -> Iterator[Simulator]:
    """A simulator in a thread of this process. Raises AssertionError at the end where it failed by itself."""
    simulator = Simulator(port, **options)
    thread = threading.Thread(target=simulator.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield simulator
    finally:
        simulator.stop()
        thread.join(5)
    if simulator.bugs:
        raise AssertionError("The simulator failed:\n" + "\n".join(simulator.bugs))
