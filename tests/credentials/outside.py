"""A world outside for tests: an authority, a server that behaves as it is told, and a DNS of its own.

Everything but the look-up of names and the last step to the address is the real code.
"""

import functools
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from credentials.egress import connections, names

HOST = "acme.myshopify.com"
HOSTS = (HOST,)
# A public address, at which nothing of these tests ever arrives.
PUBLIC = "93.184.215.14"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Answer = bytes | Callable[["Peer"], None]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="lanyard-authority-"))


@functools.cache
def _authority():
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate("Test authority", key.public_key(), "Test authority", key, ca=True)


def _certificate(subject, public_key, issuer, signing_key, *, names=(), ended=False, ca=False):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=-1 if ended else 30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signing_key, hashes.SHA256())


@functools.cache
def authority_file() -> Path:
    path = _folder() / "authority.pem"
    path.write_bytes(_authority()[1].public_bytes(serialization.Encoding.PEM))
    return path


@functools.cache
def certificate(*names: str, ended: bool = False, self_signed: bool = False) -> ssl.SSLContext:
    """A server's TLS context with a certificate for names."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority_key, _certificate_of_it = _authority()
    issuer, signing_key = (names[0], key) if self_signed else ("Test authority", authority_key)
    made = _certificate(names[0], key.public_key(), issuer, signing_key, names=names, ended=ended)
    path = _folder() / f"{made.serial_number}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + _pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


class Peer:
    """One connection, on the server's side."""

    def __init__(self, connection: socket.socket, server: "Server"):
        self.connection, self.server = connection, server

    def read(self) -> bytes:
        """One whole request."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := self.connection.recv(65536)):
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.connection.recv(65536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return data

    def write(self, data: bytes) -> None:
        self.connection.sendall(data)

    def hang(self) -> None:
        self.server.stopping.wait(30)

    def drip(self, data: bytes, every: float) -> None:
        for byte in data:
            if self.server.stopping.wait(every):
                return
            self.write(bytes([byte]))

    def repeat(self, data: bytes) -> None:
        while not self.server.stopping.is_set():
            self.write(data)


class Server:
    """Listens on a port of this machine. `answer` is what comes back: bytes, or a function of the peer.

    Without `context` the bytes come without TLS, before anything is read.
    """

    def __init__(self, answer: Answer, context: ssl.SSLContext | None):
        self.answer, self.context = answer, context
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        while not self.stopping.is_set():
            try:
                raw, _address = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve, args=(raw,))
            self.threads.append(thread)
            thread.start()

    def serve(self, raw: socket.socket) -> None:
        # Beside the stopping event, so that no test leaves a thread that waits for ever.
        raw.settimeout(30)
        try:
            connection = raw
            if self.context:
                connection = self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            with connection:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                peer = Peer(connection, self)
                if not self.context and callable(self.answer):
                    self.answer(peer)
                elif not callable(self.answer):
                    if self.context:
                        peer.read()
                    peer.write(self.answer)
                else:
                    peer.read()
                    self.answer(peer)
        except OSError:
            pass
        finally:
            raw.close()

    def stop(self) -> None:
        self.stopping.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(35)


class World:
    """What names mean, and where their addresses lead. `dialled` are the addresses that were connected to."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {HOST: [PUBLIC]}
        self.looked_up: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.port = 0
        self._servers: list[Server] = []

    def lookup(self, host: str) -> list[str]:
        self.looked_up.append(host)
        found = self.names.get(host, socket.gaierror(socket.EAI_NONAME, "unknown"))
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        return found

    def dial(self, address: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        sock = connections.PlainSocket(socket.AF_INET, socket.SOCK_STREAM)
        # From another address than the server's, as from another machine.
        sock.bind(("127.0.0.2", 0))
        sock.settimeout(seconds)
        try:
            sock.connect(("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        return sock

    def serve(self, answer: Answer, context: ssl.SSLContext | None = None, *, tls: bool = True) -> Server:
        server = Server(answer, (context or certificate(HOST)) if tls else None)
        self._servers.append(server)
        self.port = server.port
        return server

    def stop(self) -> None:
        for server in self._servers:
            server.stopping.set()
        for server in self._servers:
            server.stop()


@contextmanager
def opened(monkeypatch):
    """A world that takes the place of the real one."""
    world = World()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file()))
    monkeypatch.setattr(names, "lookup", world.lookup)
    monkeypatch.setattr(connections, "dial", world.dial)
    monkeypatch.setattr(names, "_control", None)
    connections.tls_context.cache_clear()
    try:
        yield world
    finally:
        world.stop()
        connections.tls_context.cache_clear()
