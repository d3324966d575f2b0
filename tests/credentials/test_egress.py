"""The way out: what is sent, where it goes, and what comes back."""

import base64
import gzip
import json
import re
import socket
import threading
import tomllib
import zlib
from pathlib import Path

import pytest
import requests

from credentials import egress
from credentials.egress import connections, names
from credentials.exchange import Call
from tests.credentials import outside
from tests.credentials.outside import HOST, HOSTS, OK, PUBLIC

URL = f"https://{HOST}/admin/shop.json"


@pytest.fixture
def world(monkeypatch):
    with outside.opened(monkeypatch) as world:
        yield world


def head_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


# --- What is sent


def test_the_answer_comes_back_whole(world):
    world.serve(b"HTTP/1.1 418 Teapot\r\nX-Shop: a\r\nx-shop: b\r\nContent-Length: 4\r\n\r\nshop")
    answer = egress.send(Call("GET", URL), hosts=HOSTS)
    assert (answer.status, answer.body, answer.header("X-SHOP")) == (418, b"shop", "a, b")


def test_a_request_carries_what_the_call_says_and_our_own_name(world):
    server = world.serve(OK)
    call = Call(
        "POST",
        URL,
        {"X-Shopify-Access-Token": "t"},
        {"a": "é b"},
        json={"x": [1]},
        basic=("user", "pässword"),
    )
    egress.send(call, hosts=HOSTS)
    (request,) = server.requests
    assert request.startswith(b"POST /admin/shop.json?a=%C3%A9+b HTTP/1.1\r\n")
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"x": [1]}
    assert head_of(request) == {
        "host": HOST,
        "user-agent": egress.USER_AGENT,
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "application/json",
        "content-length": "10",
        "x-shopify-access-token": "t",
        "authorization": "Basic " + base64.b64encode("user:pässword".encode()).decode(),
    }


def test_a_form_and_an_empty_post_say_their_length(world):
    server = world.serve(OK)
    egress.send(Call("POST", URL, form={"grant_type": "refresh_token", "b": "&="}), hosts=HOSTS)
    egress.send(Call("POST", URL), hosts=HOSTS)
    form, empty = server.requests
    assert form.endswith(b"\r\n\r\ngrant_type=refresh_token&b=%26%3D")
    assert head_of(form)["content-type"] == "application/x-www-form-urlencoded"
    assert head_of(empty)["content-length"] == "0"


def test_our_name_holds_the_version_of_the_project():
    project = tomllib.loads((Path(egress.__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert egress.USER_AGENT == f"Lanyard/{project['version']}"


def test_headers_that_are_not_listed_stay_here(world, caplog):
    server = world.serve(OK)
    sent = {
        "Cookie": "c=1",
        "X-Forwarded-For": "10.0.0.1",
        "Proxy-Authorization": "p",
        "Host": "evil.example",
    }
    egress.send(Call("GET", URL, {**sent, "Accept": "text/x", "TE": "trailers"}), hosts=HOSTS)
    head = head_of(server.requests[0])
    assert head.keys() == {"host", "user-agent", "accept-encoding", "connection", "accept"}
    assert head["host"] == HOST
    assert "'X-Forwarded-For'" in caplog.text and "10.0.0.1" not in caplog.text


@pytest.mark.parametrize(
    "call",
    [
        Call("GET", URL, {"Authorization": "Bearer hunter2\r\nX-Evil: 1"}),
        Call("GET", URL, {"Authorization": "Bearer hunter2\u20ac"}),
        Call("GET", URL, {"Authorization": 5}),  # type: ignore[dict-item]
        Call("GET /hunter2 HTTP/1.1\r\nX: y", URL),
        Call("POST", URL, json={"hunter2": float("nan")}),
        Call("POST", URL, json={"hunter2": object()}),
    ],
    ids=["newline", "not latin-1", "no text", "method", "NaN", "no JSON"],
)
def test_a_malformed_request_is_our_fault_and_says_nothing_of_its_secrets(world, call):
    server = world.serve(OK)
    error = failure(call)
    assert error.code == "our_fault" and "hunter2" not in f"{error!r}"
    assert error.__context__ is None and error.__cause__ is None
    assert server.requests == []


def test_neither_proxies_nor_netrc_of_the_environment_are_used(world, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(f"machine {HOST} login evil password hunter2\n")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = world.serve(OK)
    egress.send(Call("GET", URL), hosts=HOSTS)
    session = requests.Session()
    egress.mount(session, egress.Adapter(hosts=HOSTS))
    with session:
        session.get(URL)
    assert len(server.requests) == 2
    assert all("authorization" not in head_of(request) for request in server.requests)


# --- Where it goes


def test_a_name_is_looked_up_once_and_the_checked_address_is_called(world):
    seen: list[str | None] = []
    context = outside.certificate(HOST, "other.example")
    context.sni_callback = lambda connection, name, _context: seen.append(name)
    server = world.serve(OK, context)
    egress.send(Call("GET", URL), hosts=HOSTS)
    assert world.looked_up == [HOST] and world.dialled == [(PUBLIC, 443)]
    assert seen == [HOST] and head_of(server.requests[0])["host"] == HOST


def test_a_rebinding_name_gets_no_second_look(world):
    world.serve(OK)
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    world.names[HOST] = lambda: next(answers)
    assert egress.send(Call("GET", URL), hosts=HOSTS).status == 200
    assert failure().code == "address_refused"
    assert world.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("place", range(3))
def test_one_forbidden_address_among_many_refuses_the_call(world, place):
    found = [PUBLIC, "1.1.1.1", "2606:4700::1111"]
    found.insert(place, "169.254.169.254")
    world.names[HOST] = found
    error = failure()
    assert error.code == "address_refused" and HOST in str(error)
    assert world.dialled == []


def test_an_address_of_this_machine_is_refused_whatever_it_is(world, monkeypatch):
    server = world.serve(OK)
    monkeypatch.setattr(
        connections, "dial", lambda *_: socket.create_connection(("127.0.0.1", server.port), 3)
    )
    error = failure()
    assert error.code == "address_refused" and "this machine" in str(error)
    assert server.requests == []


def test_the_real_look_up_asks_for_the_name_itself(monkeypatch):
    asked = []

    def getaddrinfo(host, port, **options):
        asked.append((host, port))
        return [(None, None, None, "", (PUBLIC, 443)), (None, None, None, "", (PUBLIC, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert names.lookup(HOST) == [PUBLIC]
    assert asked == [(HOST + ".", 443)]


def test_the_next_address_is_tried_where_one_does_not_answer(world, monkeypatch):
    world.serve(OK)
    world.names[HOST] = ["1.1.1.1", PUBLIC]
    dial = world.dial

    def refused(address, port, seconds):
        if address == "1.1.1.1":
            raise ConnectionRefusedError
        return dial(address, port, seconds)

    monkeypatch.setattr(connections, "dial", refused)
    assert egress.send(Call("GET", URL), hosts=HOSTS).status == 200
    world.names[HOST] = ["1.1.1.1", "1.1.1.1"]
    assert failure().code == "connection_failed"


# --- Redirects and cookies


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [f"https://{HOST}/again", "//evil.example/", "https://evil.example/"])
def test_a_redirect_is_an_answer_and_is_not_followed(world, status, location):
    server = world.serve(
        f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    answer = egress.send(Call("GET", URL, {"Authorization": "Bearer hunter2"}), hosts=HOSTS)
    assert (answer.status, answer.header("Location")) == (status, location)
    session = requests.Session()
    egress.mount(session, egress.Adapter(hosts=(HOST, "evil.example")))
    with session:
        assert session.get(URL, allow_redirects=True).status_code == status
    assert len(server.requests) == 2 and world.looked_up == [HOST, HOST]


def test_no_cookie_is_kept_or_shown(world):
    server = world.serve(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: session=hunter2; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    session = requests.Session()
    egress.mount(session, egress.Adapter(hosts=HOSTS))
    with session:
        first = session.get(URL)
        session.get(URL)
    assert "Set-Cookie" not in first.headers and not session.cookies
    assert all("cookie" not in head_of(request) for request in server.requests)


# --- What comes back


GOOD = b'{"shop": "' + b"x" * 5000 + b'"}'


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        chunked(GOOD[:7], GOOD[7:]),
        chunked(GOOD, end=b"0\r\nX-Trailer: 1\r\n\r\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(GOOD),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(GOOD),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\n\r\n"
        + gzip.compress(GOOD[:9])
        + gzip.compress(GOOD[9:]),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(GOOD),
    ],
    ids=["length", "until the end", "chunks", "trailer", "continue", "gzip", "two members", "deflate"],
)
def test_every_way_to_send_a_body_is_understood(world, answer):
    world.serve(answer)
    assert egress.send(Call("GET", URL), hosts=HOSTS).body == GOOD


def test_html_with_200_comes_back_as_it_is(world):
    world.serve(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Hibernating</html>")
    answer = egress.send(Call("GET", URL), hosts=HOSTS)
    assert answer.json is None and answer.header("content-type") == "text/html"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body_end_at_once(world, method, status):
    world.serve(
        lambda peer: (peer.write(b"HTTP/1.1 %d OK\r\nContent-Encoding: gzip\r\n\r\n" % status), peer.hang())
    )
    assert egress.send(Call(method, URL), hosts=HOSTS).body == b""


def test_a_body_of_just_the_limit_is_taken_and_one_more_byte_is_not(world):
    world.serve(chunked(b"x" * 1000))
    assert len(egress.send(Call("GET", URL), hosts=HOSTS, body_limit=1000).body) == 1000
    assert failure(body_limit=999).code == "garbled"


def test_an_answer_that_comes_before_the_request_was_read_is_read(world):
    def refuse_early(peer):
        peer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        peer.hang()

    world.serve(refuse_early)
    assert egress.send(Call("POST", URL, form={"a": "b" * 1000}), hosts=HOSTS).status == 413


# --- Sessions


def serve_again_and_again(peer):
    peer.write(OK)
    while peer.read():
        peer.write(OK)


def test_a_connection_is_kept_for_the_next_call(world):
    server = world.serve(serve_again_and_again)
    with egress.Adapter(hosts=HOSTS) as adapter:
        session = requests.Session()
        egress.mount(session, adapter)
        for _ in range(3):
            assert session.get(URL).json() == {}
        assert session.post(URL, json={"a": 1}).json() == {}
    assert server.connections == 1 and len(server.requests) == 4 and world.looked_up == [HOST]


def test_each_send_has_a_connection_of_its_own(world):
    server = world.serve(serve_again_and_again)
    for _ in range(2):
        egress.send(Call("GET", URL), hosts=HOSTS)
    assert server.connections == 2


def test_a_connection_that_the_other_side_closed_is_not_used_again(world):
    server = world.serve(OK)
    with egress.Adapter(hosts=HOSTS) as adapter:
        session = requests.Session()
        egress.mount(session, adapter)
        for _ in range(3):
            assert session.get(URL).status_code == 200
            server.threads[-1].join(5)
    assert server.connections == 3


@pytest.mark.parametrize("limit", ["IDLE", "AGE"])
def test_an_old_connection_is_not_used_again(world, monkeypatch, limit):
    server = world.serve(serve_again_and_again)
    monkeypatch.setattr(connections, limit, -1.0)
    with egress.Adapter(hosts=HOSTS) as adapter:
        session = requests.Session()
        egress.mount(session, adapter)
        session.get(URL)
        session.get(URL)
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        chunked(b"{}").replace(b"Transfer", b"Content-Length: 2\r\nTransfer"),
    ],
    ids=["more than asked for", "closing", "two lengths"],
)
def test_a_connection_whose_answer_has_no_clear_end_is_not_used_again(world, answer):
    def answer_it_again_and_again(peer):
        peer.write(answer)
        while peer.read():
            peer.write(answer)

    server = world.serve(answer_it_again_and_again)
    with egress.Adapter(hosts=HOSTS) as adapter:
        session = requests.Session()
        egress.mount(session, adapter)
        for _ in range(3):
            assert session.get(URL).json() == {}
    assert server.connections == 3


def test_many_threads_share_one_adapter(world):
    server = world.serve(serve_again_and_again)
    wrong = []
    with egress.Adapter(hosts=HOSTS) as adapter:
        session = requests.Session()
        egress.mount(session, adapter)

        def work():
            for _ in range(20):
                if session.get(URL).json() != {}:
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(map(len, adapter._idle.values())) <= egress.KEPT
    assert not wrong and len(server.requests) == 160 and server.connections <= 8


def test_a_session_cannot_leave_the_hosts_nor_switch_checks_off(world):
    server = world.serve(OK, outside.certificate("other.example"))
    session = requests.Session()
    egress.mount(session, egress.Adapter(hosts=HOSTS))
    with session:
        with pytest.raises(egress.EgressError) as raised:
            session.get(URL, verify=False, proxies={"https": "http://127.0.0.1:9"})
        assert raised.value.code == "tls_failed"
        with pytest.raises(egress.EgressError) as raised:
            session.get("https://evil.example/", headers={"Authorization": "Bearer hunter2"})
        assert raised.value.code == "host_refused"
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get(f"http://{HOST}/")
    assert server.requests == []


def test_a_timeout_of_the_caller_can_only_shorten(world):
    bounds = egress._bounds(10, None)
    assert (bounds.connect, bounds.read) == (3, 5)
    assert egress._bounds(10, 1.5).read == 1.5
    bounds = egress._bounds(10, (99, 99))
    assert (bounds.connect, bounds.read) == (3, 5)


# --- The simulator


def test_with_the_simulator_calls_go_there_and_nowhere_else(world, settings, monkeypatch):
    monkeypatch.undo()
    with outside.opened(monkeypatch) as world:
        server = world.serve(lambda peer: peer.read() and peer.write(OK), tls=False)
        settings.PROVIDER_SIMULATOR_URL = f"http://127.0.0.1:{server.port}/sim"
        monkeypatch.setattr(connections, "dial", real_dial)
        assert egress.send(Call("GET", URL, params={"a": "b"}), hosts=HOSTS).body == b"{}"
        assert server.requests[0].startswith(f"GET /sim/{HOST}/admin/shop.json?a=b HTTP/1.1\r\n".encode())
        assert head_of(server.requests[0])["host"] == f"127.0.0.1:{server.port}"
        assert failure(Call("GET", "https://evil.example/")).code == "host_refused"
        assert world.looked_up == [] and len(server.requests) == 1


real_dial = connections.dial


@pytest.mark.parametrize("url", ["http://10.0.0.1:8400", "https://127.0.0.1", "http://evil.example/"])
def test_a_simulator_elsewhere_is_refused(world, settings, url):
    settings.PROVIDER_SIMULATOR_URL = url
    assert failure().code == "host_refused" and world.dialled == []


def test_a_browser_is_sent_to_the_simulator_where_there_is_one(settings):
    url = f"https://{HOST}/oauth/authorize?a=b"
    assert egress.address(url) == url
    settings.PROVIDER_SIMULATOR_URL = "http://127.0.0.1:8400"
    assert egress.address(url) == f"http://127.0.0.1:8400/{HOST}/oauth/authorize?a=b"


# --- The house


def test_nothing_else_opens_connections_by_itself():
    """import-linter watches over whole packages; these are parts of ones that others may use."""
    root = Path(egress.__file__).parents[2]
    shortcuts = re.compile(
        r"^\s*(import|from) (http\.client|urllib\.request|requests\.(adapters|api|sessions))\b"
        r"|\brequests\.(get|post|put|patch|delete|head|options|request|api|adapters)\b|\burlopen\b",
        re.MULTILINE,
    )
    found = [
        str(path.relative_to(root))
        for folder in ("project", "credentials", "health")
        for path in (root / folder).rglob("*.py")
        if not path.relative_to(root).as_posix().startswith(("credentials/egress/", "credentials/simulator/"))
        and shortcuts.search(path.read_text())
    ]
    assert found == []


def failure(call: Call | None = None, **options) -> egress.EgressError:
    with pytest.raises(egress.EgressError) as raised:
        egress.send(call or Call("GET", URL), hosts=HOSTS, **options)
    return raised.value
