"""Providers that hang, drip, flood or lie, and wrong certificates: bounded time, bounded memory, one code."""

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import zlib

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from credentials import egress
from credentials.egress import connections, names
from credentials.egress.bounds import Bounds
from credentials.exchange import Call
from tests.credentials import outside
from tests.credentials.outside import HOST, HOSTS, OK, PUBLIC

SECRET = "hunter2-not-a-real-secret"
CALL = Call(
    "POST",
    f"https://{HOST}/token?key={SECRET}",
    {"Authorization": f"Bearer {SECRET}"},
    form={"refresh_token": SECRET},
)
SHORT = 0.5
# A busy machine may be late by so many seconds. What is bounded would take far longer without its bound.
SLACK = 2.0


@pytest.fixture
def world(monkeypatch):
    with outside.opened(monkeypatch) as world:
        yield world


def failure(total: float = 10.0, **options) -> egress.EgressError:
    """How a call fails: in time, and without a word of what was sent or came back."""
    started = time.monotonic()
    with pytest.raises(egress.EgressError) as raised:
        egress.send(CALL, hosts=HOSTS, total=total, **options)
    assert time.monotonic() - started < total + SLACK
    error = raised.value
    assert error.__cause__ is None and error.__context__ is None
    assert SECRET not in f"{error!r} {error} {error.args}" and "BODY" not in f"{error!r} {error}"
    assert str(error).endswith(".") and "\n" not in str(error)
    assert error.request is None and error.response is None
    return error


# --- Time


def test_hanging_before_the_connection(world, monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        world.port = full.getsockname()[1]
        waiting = []
        for _ in range(3):  # a full queue answers nothing more
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", world.port))
            waiting.append(sock)
        assert failure(SHORT).code == "timeout"
        for sock in waiting:
            sock.close()


def test_hanging_in_the_handshake(world):
    world.serve(lambda peer: peer.hang(), tls=False)
    assert failure(SHORT).code == "timeout"


def test_hanging_before_the_head(world):
    world.serve(lambda peer: peer.hang())
    assert failure(SHORT).code == "timeout"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
DRIPS = {
    "handshake": None,
    "head": (b"", b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100),
    "body": (HEAD, b"x" * 100),
    "chunk sizes": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 100),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 100),
    "chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000),
}


@pytest.mark.parametrize("where", DRIPS)
def test_dripping(world, where):
    """Each byte comes long before the read timeout, and the last never."""
    if where == "handshake":
        world.serve(lambda peer: peer.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 1000, 0.05), tls=False)
    else:
        first, rest = DRIPS[where]
        world.serve(lambda peer: (peer.write(first), peer.drip(rest, 0.05)))
    assert failure(SHORT).code == "timeout"


def test_a_request_that_nobody_reads(world):
    def read_nothing(raw_peer):
        with outside.certificate(HOST).wrap_socket(raw_peer.connection, server_side=True):
            raw_peer.hang()

    world.serve(read_nothing, tls=False)
    session = requests.Session()
    egress.mount(session, egress.Adapter(hosts=HOSTS, total=SHORT))
    started = time.monotonic()
    with session, pytest.raises(egress.EgressError) as raised:
        session.post(CALL.url, data=bytes(20_000_000))
    assert raised.value.code == "timeout" and time.monotonic() - started < SHORT + SLACK


def test_each_piece_of_a_request_has_the_time_that_is_left():
    """TLS sends a body record by record: a reader that is just quick enough for each must not win."""
    ours, theirs = socket.socketpair()
    with theirs, connections.PlainSocket(ours.family, ours.type, 0, ours.detach()) as sock:
        sock.bounds = Bounds(ends=time.monotonic() + 0.3)
        sock.send(b"x")
        first = sock.gettimeout()
        time.sleep(0.1)
        sock.send(b"x")
        assert 0.2 > sock.gettimeout() and first <= 0.3
        time.sleep(0.2)
        with pytest.raises(TimeoutError):
            sock.send(b"x")


def test_one_read_is_bounded_on_its_own(world, monkeypatch):
    monkeypatch.setattr(egress, "READ", 0.3)
    world.serve(lambda peer: (peer.write(HEAD), peer.hang()))
    started = time.monotonic()
    with pytest.raises(egress.EgressError) as raised:
        egress.send(CALL, hosts=HOSTS)
    assert raised.value.code == "timeout" and time.monotonic() - started < 0.3 + SLACK


def test_a_kept_connection_has_a_deadline_for_each_call(world):
    def once_and_then_drip(peer):
        peer.write(OK)
        peer.read()
        peer.drip(b"HTTP/1.1 200 OK\r\n" * 10, 0.05)

    world.serve(once_and_then_drip)
    session = requests.Session()
    with egress.Adapter(hosts=HOSTS, total=SHORT) as adapter:
        egress.mount(session, adapter)
        assert session.get(CALL.url).status_code == 200
        time.sleep(SHORT)
        started = time.monotonic()
        with pytest.raises(egress.EgressError) as raised:
            session.get(CALL.url)
        assert raised.value.code == "timeout" and SHORT - 0.1 < time.monotonic() - started < SHORT + SLACK


def test_ten_seconds_are_the_most_whatever_drips(world):
    """The real bounds, all at once: nothing is set by the test."""

    def drip_by_path(peer):
        first, rest = DRIPS["head" if b"token=head" in peer.server.requests[-1] else "body"]
        peer.write(first)
        peer.drip(rest * 50, 0.4)

    world.serve(drip_by_path)
    took: dict[str, tuple[str, float]] = {}

    def call(what):
        started = time.monotonic()
        try:
            egress.send(Call("GET", f"https://{HOST}/?token={what}"), hosts=HOSTS)
        except egress.EgressError as error:
            took[what] = (error.code, time.monotonic() - started)

    threads = [threading.Thread(target=call, args=(what,)) for what in ("head", "body")]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert {code for code, _seconds in took.values()} == {"timeout"} and len(took) == 2
    assert all(9.9 < seconds < 10 + SLACK for _code, seconds in took.values()), took


# --- Size


def bomb(members: int = 64) -> bytes:
    """Gzip that unpacks to 1 GiB: the same piece of 16 MiB again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * members


def packed(data: bytes, encoding: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n" % encoding + data


FLOODS = {
    "endless body": lambda peer: (peer.write(b"HTTP/1.1 200 OK\r\n\r\n"), peer.repeat(b"BODY" * 16384)),
    "large length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"BODY" * 300_000,
    "endless chunks": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        peer.repeat(b"4\r\nBODY\r\n" * 1000),
    ),
    "one endless chunk": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n"),
        peer.repeat(b"BODY" * 16384),
    ),
    "negative chunk": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
        peer.repeat(b"BODY" * 16384),
    ),
    "endless chunk size": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        peer.repeat(b"0" * 16384),
    ),
    "endless trailers": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
        peer.repeat(b"X: BODY\r\n" * 1000),
    ),
    "bomb": lambda peer: peer.write(packed(bomb(), b"gzip")),
    "bomb in a bomb": lambda peer: peer.write(packed(gzip.compress(bomb(2)), b"gzip, gzip")),
    "empty members": lambda peer: (
        peer.write(packed(b"", b"gzip")),
        peer.repeat(gzip.compress(b"") * 1000),
    ),
    "endless status line": lambda peer: peer.repeat(b"HTTP/1.1 200 " + b"x" * 10_000),
    "endless header": lambda peer: (peer.write(b"HTTP/1.1 200 OK\r\nX: "), peer.repeat(b"BODY" * 1000)),
    "endless headers": lambda peer: (peer.write(b"HTTP/1.1 200 OK\r\n"), peer.repeat(b"X: BODY\r\n")),
    "large headers": lambda peer: (
        peer.write(b"HTTP/1.1 200 OK\r\n"),
        peer.repeat(b"X: " + b"BODY" * 5000 + b"\r\n"),
    ),
    "endless 100s": lambda peer: peer.repeat(b"HTTP/1.1 100 Continue\r\nX: BODY\r\n\r\n"),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_cut_off(world, flood):
    world.serve(FLOODS[flood])
    assert failure().code == "garbled"


CHILD = """
    import json, re, sys
    from pathlib import Path
    import django
    django.setup()
    from credentials import egress
    from credentials.egress import connections, names
    from credentials.exchange import Call
    from tests.credentials import outside

    world = outside.World()
    names.lookup, connections.dial = world.lookup, world.dial

    def call():
        try:
            answer = egress.send(Call("GET", f"https://{outside.HOST}/"), hosts=outside.HOSTS)
            return str(answer.status)
        except egress.EgressError as error:
            return error.code

    def peak():
        # Not ru_maxrss, which begins with that of the process this one was started by.
        return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

    world.port = int(sys.argv[1])
    codes = [call()]
    before = peak()
    for port in sys.argv[2:]:
        world.port = int(port)
        codes.append(call())
    print(json.dumps([codes, (peak() - before) / 1024]))
"""


def test_no_flood_takes_more_than_32_mib(world):
    """Measured in a process of its own, which meets all of them one after another."""
    ports = [world.serve(answer).port for answer in (OK, *FLOODS.values())]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), *map(str, ports)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    codes, growth = json.loads(done.stdout)
    assert codes == ["200"] + ["garbled"] * len(FLOODS)
    assert growth < 32, growth


# --- Nonsense


GARBLED = {
    "nothing like HTTP": b"SSH-2.0-OpenSSH_9.6 BODY\r\n",
    "HTTP 0.9": b"<html>BODY</html>\n",
    "binary": bytes(range(256)),
    "HTTP 2": b"HTTP/2.0 200 OK\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of words": b"HTTP/1.1 OK BODY\r\n\r\n",
    "status below 200": b"HTTP/1.1 101 Switching\r\n\r\n",
    "header without colon": b"HTTP/1.1 200 OK\r\nBODY\r\nContent-Length: 0\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 4\r\n\r\nBODY",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nBODY",
    "length of words": b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nBODY",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nBODY",
    "no body at all": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "cut off in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nBODY",
    "cut off after a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nBODY\r\n",
    "chunk size of words": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nBODY\r\n0\r\n\r\n",
    "other transfer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nBODY\r\n0\r\n\r\n",
    "not gzip": packed(b"BODY", b"gzip"),
    "gzip cut off": packed(gzip.compress(b"BODY" * 50)[:-12], b"gzip"),
    "gzip with a wrong sum": packed(gzip.compress(b"BODY")[:-8] + bytes(8), b"gzip"),
    "gzip and then more": packed(gzip.compress(b"BODY") + b"BODY", b"gzip"),
    "gzip twice": packed(gzip.compress(gzip.compress(b"BODY")), b"gzip, gzip"),
    "gzip in two headers": packed(b"BODY", b"gzip\r\nContent-Encoding: gzip"),
    "brotli": packed(b"BODY", b"br"),
    "zstandard": packed(b"BODY", b"zstd"),
    "unknown encoding": packed(b"BODY", b"x-body"),
}


@pytest.mark.parametrize("answer", GARBLED)
def test_nonsense_is_garbled(world, answer):
    world.serve(GARBLED[answer])
    assert failure().code == "garbled"


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 2"], ids=["nothing", "half a line"])
def test_the_end_of_the_connection(world, after):
    world.serve(after)
    assert failure().code == ("garbled" if after else "connection_failed")


def test_a_connection_that_is_refused_or_reset(world):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        world.port = nobody.getsockname()[1]
    assert failure().code == "connection_failed"

    def reset(peer):
        peer.connection.recv(1)
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.connection.close()

    world.serve(reset, tls=False)
    assert failure().code == "connection_failed"


HTTP_LIKE = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"Content-Length: 4\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"0",
            b"4",
        ]
        + [
            b"Content-Encoding: gzip\r\n",
            b"-1",
            b";",
            b":",
            b" ",
            b"\x1f\x8b\x08",
            b"X\x00: \xff\r\n",
            b"BODY",
        ]
    )
    | st.binary(max_size=9),
    max_size=20,
).map(b"".join)


@given(HTTP_LIKE)
@example(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=\xff\r\n\r\n")
@example(b"HTTP/1.1 200 \xff\r\nX: =?utf-9?q?x?=\r\n\r\n")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_is_an_answer_or_an_egress_error(monkeypatch, sent):
    """Over a pair of sockets, for speed: what is read does not depend on TLS."""
    ours, theirs = socket.socketpair()
    sock = connections.PlainSocket(ours.family, ours.type, 0, ours.detach())
    monkeypatch.setattr(egress, "_connect", lambda host, *_: connections.Connection(host, sock))
    with theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        try:
            egress.send(CALL, hosts=HOSTS)
        except egress.EgressError as error:
            assert error.code in ("garbled", "connection_failed")


# --- Certificates


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (lambda: outside.certificate("other.example"), "name"),
        (lambda: outside.certificate("*.example"), "name"),
        (lambda: outside.certificate(HOST, ended=True), "expired"),
        (lambda: outside.certificate(HOST, self_signed=True), "untrusted"),
    ],
    ids=["another name", "another domain", "expired", "self-signed"],
)
def test_a_certificate_that_is_not_valid_gets_no_byte_of_the_request(world, context, reason):
    server = world.serve(OK, context())
    error = failure()
    assert (error.code, error.reason) == ("tls_failed", reason)
    assert server.requests == []


def test_an_authority_that_is_not_known_gets_nothing(world, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    connections.tls_context.cache_clear()
    server = world.serve(OK)
    error = failure()
    assert (error.code, error.reason) == ("tls_failed", "untrusted") and server.requests == []
    assert connections.tls_context().cert_store_stats()["x509_ca"] > 50


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(world):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    world.serve(OK, old)
    assert (failure().code, connections.tls_context().minimum_version) == (
        "tls_failed",
        ssl.TLSVersion.TLSv1_2,
    )


def test_no_tls_at_all_is_refused(world):
    world.serve(OK, tls=False)
    error = failure()
    assert (error.code, error.reason) == ("tls_failed", "other")


def test_keys_of_connections_are_not_written_down(world, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    world.serve(OK)
    egress.send(CALL, hosts=HOSTS)
    assert not (tmp_path / "keys").exists()


# --- Names


NOT_THERE = socket.gaierror(socket.EAI_NONAME, "unknown")
NOT_NOW = socket.gaierror(socket.EAI_AGAIN, "try again")


@pytest.mark.parametrize(
    ("ours", "others", "code", "resolve"),
    [
        (NOT_THERE, [PUBLIC], "name_not_found", True),
        (NOT_THERE, NOT_THERE, "name_not_found", False),
        (NOT_THERE, NOT_NOW, "name_not_found", False),
        (NOT_NOW, NOT_NOW, "name_not_found", False),
        (NOT_NOW, [PUBLIC], "connection_failed", None),
        (UnicodeError("label too long"), [PUBLIC], "connection_failed", None),
        ([], [PUBLIC], "address_refused", None),
        (["not an address"], [PUBLIC], "address_refused", None),
    ],
)
def test_a_name_that_is_not_found(world, ours, others, code, resolve):
    world.names[HOST] = ours
    world.names |= dict.fromkeys(names.CONTROL_NAMES, others)
    error = failure()
    assert error.code == code and HOST in str(error)
    if resolve is not None:
        assert error.control_names_resolve is resolve


def test_one_control_name_is_enough_and_what_it_told_is_remembered(world, monkeypatch):
    world.names[HOST] = NOT_THERE
    world.names[names.CONTROL_NAMES[1]] = [PUBLIC]
    assert failure().control_names_resolve and failure().control_names_resolve
    assert world.looked_up == [HOST, *names.CONTROL_NAMES, HOST]
    monkeypatch.setattr(names, "CONTROL_SECONDS", 0)
    failure()
    assert world.looked_up[4:] == [HOST, *names.CONTROL_NAMES]


def let_go(going_on: threading.Event) -> None:
    """Ends the look-ups that hang, before another test begins."""
    going_on.set()
    for thread in threading.enumerate():
        if thread.name == "egress-lookup":
            thread.join(5)


def test_a_dns_that_hangs(world, monkeypatch):
    going_on = threading.Event()
    monkeypatch.setattr(egress, "CONNECT", 0.2)
    world.names |= dict.fromkeys(names.CONTROL_NAMES, [PUBLIC])
    world.names[HOST] = lambda: going_on.wait(30) and []
    assert failure(2.0).code == "timeout"
    world.names |= dict.fromkeys(names.CONTROL_NAMES, lambda: going_on.wait(30) and [])
    monkeypatch.setattr(names, "_control", None)
    monkeypatch.setattr(names, "CONNECT", 0.1)
    error = failure(2.0)
    assert (error.code, error.control_names_resolve) == ("name_not_found", False)
    let_go(going_on)


def test_a_call_without_time_left_learns_nothing_about_our_dns(world):
    world.names[HOST] = lambda: threading.Event().wait(0.3) or NOT_THERE
    assert failure(0.2).code == "timeout"
    assert names._control is None
    let_go(threading.Event())


def test_look_ups_that_hang_do_not_pile_up(world, monkeypatch):
    going_on = threading.Event()
    monkeypatch.setattr(names, "_lookups", threading.BoundedSemaphore(2))
    world.names[HOST] = lambda: going_on.wait(30) and []
    for _ in range(4):
        assert failure(total=0.2).code == "timeout"
    assert world.looked_up == [HOST, HOST]
    let_go(going_on)
