"""Which hosts and addresses can be reached: every honest one, and no hostile one, by form or by call."""

from itertools import product

import pytest
from django.core.exceptions import ValidationError

from credentials import egress
from credentials.egress import addresses
from credentials.exchange import Call
from credentials.fields import HostField, IdentifierField
from credentials.kinds import KINDS
from tests.credentials import outside
from tests.credentials.outside import HOST, PUBLIC

HOSTILE = [
    # Another host than it looks like.
    "acme.myshopify.com@evil.example",
    "user:password@acme.myshopify.com",
    "evil.example#.myshopify.com",
    "evil.example?.myshopify.com",
    "evil.example/.myshopify.com",
    "evil.example\\.myshopify.com",
    "evil.example\\@acme.myshopify.com",
    "evil.example;.myshopify.com",
    "evil.example&.myshopify.com",
    "acme.myshopify.com.evil.example",
    "acmemyshopify.com",
    "acme-myshopify.com",
    "myshopify.com",
    ".myshopify.com",
    "acme.myshopify.com.",
    "acme..myshopify.com",
    "acme.myshopify.com:8443",
    "acme.myshopify.com:443",
    "acme.myshopify.com:443@evil.example",
    "-acme.myshopify.com/",
    # Other letters.
    "acme\u3002myshopify.com",
    "evil\u3002example",
    "acme\uff0emyshopify\uff0ecom",
    "\u2460\u2461\u2466.\u2460",
    "acme.my\u017fhopify.com",
    "acme.mysho\u0440ify.com",
    "acme.myshopify.\u212aom",
    "\u24d0cme.myshopify.com",
    "xn--.myshopify.com.evil.example",
    "acme\u200b.myshopify.com",
    "acme\u00ad.myshopify.com",
    # Blanks, controls and codes.
    "evil.example%2emyshopify.com",
    "acme%2emyshopify.com",
    "%61cme.myshopify.com",
    "acme .myshopify.com",
    "acme\t.myshopify.com",
    "acme\r\nHost: evil.example\r\n.myshopify.com",
    "acme.myshopify.com\r\nX-Evil: 1",
    "acme\x00.myshopify.com",
    "evil.example\x00.myshopify.com",
    "acme\x0b.myshopify.com",
    "acme\u2028.myshopify.com",
    # Numbers.
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.1",
    "127.1",
    "0",
    "169.254.169.254",
    "[::1]",
    "::1",
    "[fe80::1%25eth0]",
    "[::ffff:127.0.0.1]",
    "[fd00:ec2::254]",
    # Other schemes, and names of this machine.
    "file:///etc/passwd",
    "gopher://evil.example:70/_GET",
    "http://evil.example/",
    "//evil.example",
    "localhost",
    "metadata.google.internal",
    "a" * 64 + ".myshopify.com",
    "a." * 130 + "myshopify.com",
]

FORBIDDEN = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
    *("2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0", "fec0::1", "ff02::1", "100::1", "4000::1"),
    *("", "acme.myshopify.com", "127.1", "2130706433", "0x7f.0.0.1"),
]

HONEST = [
    *(
        "api.stripe.com",
        "api.github.com",
        "api.hubapi.com",
        "api.linear.app",
        "api.airtable.com",
        "airtable.com",
    ),
    *("api.sendgrid.com", "api.eu.sendgrid.com", "quickbooks.api.intuit.com", "oauth.platform.intuit.com"),
    *("sandbox-quickbooks.api.intuit.com", "api.checkoutchamp.com", "login.salesforce.com", "github.com"),
    *(
        "acme.myshopify.com",
        "a.myshopify.com",
        "7-eleven.myshopify.com",
        "acme-2.myshopify.com",
        "connect.stripe.com",
    ),
    *(
        "acme.my.salesforce.com",
        "acme--uat.sandbox.my.salesforce.com",
        "acme-dev-ed.develop.my.salesforce.com",
    ),
    *("acme.service-now.com", "dev12345.service-now.com", "acmetest.service-now.com", "test.salesforce.com"),
    *("wd3-services1.myworkday.com", "wd2-impl-services1.workday.com", "services1.wd12.myworkday.com"),
    *("1234567.suitetalk.api.netsuite.com", "1234567-sb1.suitetalk.api.netsuite.com", "app.hubspot.com"),
    *("tstdrv1234567.suitetalk.api.netsuite.com", "123-abc-456.mktorest.com", "000-zzz-999.mktorest.com"),
    *(
        "acme.auth0.com",
        "acme.eu.auth0.com",
        "acme-prod.us.auth0.com",
        "api.linear.app",
        "appcenter.intuit.com",
    ),
]


@pytest.fixture
def world(monkeypatch):
    with outside.opened(monkeypatch) as world:
        yield world


def test_the_collections_are_as_large_as_they_should_be():
    assert len(set(HOSTILE)) >= 60 and len(set(FORBIDDEN)) >= 25 and len(set(HONEST)) >= 39


def refusal(host: str, hosts) -> str:
    with pytest.raises(egress.EgressError) as raised:
        egress.send(Call("GET", f"https://{host}/", {"Authorization": "Bearer hunter2"}), hosts=hosts)
    assert "hunter2" not in str(raised.value)
    return raised.value.code


def test_a_hostile_host_is_refused_wherever_it_would_lead(world):
    """Even where it is itself on the list: what is no plain name is never looked up nor called."""
    server = world.serve(outside.OK)
    for host, address in product(HOSTILE, FORBIDDEN):
        world.names = {host: [address], "evil.example": [address], HOST: [address]}
        assert refusal(host, hosts=(HOST, "acme.myshopify.com")) == "host_refused", host
    assert world.looked_up == [] and world.dialled == [] and server.requests == []


NO_NAMES = [host for host in HOSTILE if not host.isascii() or set(host) & set(" \t\r\n\0\x0b@:/\\?#%;&[]")]


@pytest.mark.parametrize(
    "host", [*NO_NAMES, "127.0.0.1", "2130706433", "127.1", "0x7f.1", "localhost", "a" * 300]
)
def test_a_list_of_hosts_that_holds_a_hostile_one_does_not_help(host):
    with pytest.raises(egress.EgressError):
        egress.check_host(host, [host])


def test_hosts_are_a_collection_of_names():
    with pytest.raises(TypeError):
        egress.check_host("stripe.com", "api.stripe.com")
    for wrong in ("API.stripe.com", "api.stripe.com.", "stripe.com", "xapi.stripe.com", ""):
        with pytest.raises(egress.EgressError):
            egress.check_host(wrong, {"api.stripe.com"})


@pytest.mark.parametrize("host", HONEST)
def test_an_honest_host_passes_and_is_called_at_a_public_address_only(world, host):
    server = world.serve(outside.OK, outside.certificate(*sorted(set(HONEST))))
    world.names = {host: [PUBLIC]}
    assert egress.send(Call("GET", f"https://{host}/"), hosts={host, "other.example"}).status == 200
    for address in FORBIDDEN:
        world.names = {host: [PUBLIC, address]}
        assert refusal(host, hosts={host}) == "address_refused"
    assert len(server.requests) == len(world.dialled) == 1


@pytest.mark.parametrize(
    "url",
    ["http://{}/", "HTTPS://{}/", "https:/{}/", "https:{}/", "//{}/", "{}/", " https://{}/", "ftp://{}/"],
)
def test_another_way_to_write_the_address_is_refused(world, url):
    with pytest.raises(egress.EgressError) as raised:
        egress.send(Call("GET", url.format(HOST)), hosts={HOST})
    assert raised.value.code == "host_refused" and world.looked_up == []


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_forbidden_address(address):
    assert addresses.is_refused(address)


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "8.8.8.8", "1.1.1.1", "172.15.0.1", "100.63.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"]
    + ["2001:4860:4860::8888", "::ffff:8.8.8.8"],
)
def test_a_public_address(address):
    assert not addresses.is_refused(address)


# --- What people type


FIELDS = [
    pytest.param(field, id=f"{kind.KIND}-{field.name}")
    for kind in KINDS.values()
    for field in kind._meta.get_fields()
    if isinstance(field, HostField | IdentifierField)
]


@pytest.mark.parametrize("field", FIELDS)
def test_what_a_form_takes_can_only_become_an_honest_host(field):
    """Cleaning makes an honest host of what people paste, or refuses; it never keeps a hostile one."""
    for host in HOSTILE:
        try:
            value = field.clean(host, None)
        except ValidationError:
            continue
        if isinstance(field, HostField):
            egress.check_host(value, [value])
            assert "evil" not in value.split(".")[-2:] and "." in value, (host, value)
            assert value.endswith(
                ("shopify.com", "salesforce.com", "service-now.com", "auth0.com", "workday.com")
            )
        else:
            assert value.isascii() and value.replace("-", "").replace("_", "").isalnum(), (host, value)


def test_there_are_fields_to_look_at():
    assert len(FIELDS) >= 8
