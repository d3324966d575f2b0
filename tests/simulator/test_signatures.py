"""OAuth 1.0a, JWT and PKCE are verified, and what is nearly right is refused."""

import json
import re
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from credentials.simulator import cast, signatures
from credentials.simulator.signatures import BadSignature
from tests.simulator.calls import app_jwt, bearer

NETSUITE = cast.credential("netsuite_tba", 0)["properties"]
APP = cast.app("github")
INSTALLATION = cast.credential("github_app", 0)["properties"]["installation_id"]


def code_of(answer) -> str:
    return answer.json()["o:errorDetails"][0]["o:errorCode"]


# --- OAuth 1.0a


def test_a_right_signature_is_accepted_with_query_and_body(call):
    for path in (
        "/services/rest/record/v1/metadata-catalog/",
        "/services/rest/record/v1/customer?limit=1&q=name%20IS%20%22%C3%84%2BB%22&limit=2",
        "/services/rest/record/v1/customer?empty=&q=a~b",
    ):
        assert call.netsuite(NETSUITE, path).status_code == 200, path
    assert call.netsuite(NETSUITE, "/services/rest/query/v1/suiteql", "POST").status_code == 200


def test_the_base_string_is_that_of_the_specification():
    """RFC 5849 section 3.4.1.1, without the realm, which is no part of it."""
    parameters = [
        ("b5", "=%3D"),
        ("a3", "a"),
        ("c@", ""),
        ("a2", "r b"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
        ("c2", ""),
        ("a3", "2 q"),
    ]
    expected = (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q"
        "%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_"
        "key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_m"
        "ethod%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk"
        "9d7dh3k39sjv7"
    )
    assert signatures.oauth1_base_string("post", "http://EXAMPLE.COM/request", parameters) == expected


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"signature_method": "HMAC-SHA1"}, "signature_method_rejected"),
        ({"signature_method": "PLAINTEXT"}, "signature_method_rejected"),
        # Seconds from now; the tests may run long after they were collected.
        ({"timestamp": -310}, "InvalidTimestamp"),
        ({"timestamp": 400}, "InvalidTimestamp"),
        ({"timestamp": "soon"}, "InvalidTimestamp"),
        ({"nonce": "12345"}, "nonce_rejected"),
        ({"realm": "9999999"}, "INVALID_LOGIN"),
        ({"realm": None}, "parameter_absent"),
    ],
)
def test_what_is_wrong_with_a_signature_is_named(call, signing, code):
    signing = {
        name: str(int(time.time()) + value) if isinstance(value, int) else value
        for name, value in signing.items()
    }
    answer = call.netsuite(NETSUITE, **signing)
    assert (answer.status_code, code_of(answer)) == (401, code)
    assert f'error="{code}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("consumer_secret", "signature_invalid"),
        ("token_secret", "signature_invalid"),
        ("token_id", "INVALID_LOGIN"),
        ("consumer_key", "consumer_key_unknown"),
    ],
)
def test_another_secret_does_not_sign(call, name, code):
    assert code_of(call.netsuite(NETSUITE | {name: "another-one"})) == code


def test_a_signature_holds_for_its_own_request_only(call):
    headers = {}

    def keep(header):
        headers["Authorization"] = header
        return "OAuth realm=nothing"

    call.netsuite(NETSUITE, "/services/rest/record/v1/customer?limit=1", change=keep)
    host = f"{NETSUITE['account_id']}.suitetalk.api.netsuite.com"
    for method, path in (
        ("GET", "/services/rest/record/v1/customer?limit=2"),
        ("GET", "/services/rest/record/v1/invoice?limit=1"),
        ("GET", "/services/rest/record/v1/customer"),
        ("POST", "/services/rest/query/v1/suiteql?limit=1"),
    ):
        assert code_of(call(method, host + path, headers=headers)) == "signature_invalid"
    right = host + "/services/rest/record/v1/customer?limit=1"
    assert call("GET", right, headers=headers).status_code == 200
    # The same nonce again is somebody who listened.
    assert code_of(call("GET", right, headers=headers)) == "nonce_used"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: "",
        lambda header: header.replace("OAuth ", "Bearer "),
        lambda header: re.sub('oauth_signature="[^"]*"', 'oauth_signature=""', header),
        lambda header: header + ', oauth_token="again"',
        lambda header: header.replace('"', ""),
    ],
)
def test_a_header_that_is_none_is_refused(call, change):
    assert call.netsuite(NETSUITE, change=change).status_code == 401


# --- JWT


def installation(call, token: str, **headers: str):
    return call("GET", f"api.github.com/app/installations/{INSTALLATION}", headers=bearer(token) | headers)


def test_an_installation_token_works_for_an_hour(call):
    token = app_jwt(APP["private_key"], str(APP["app_id"]))
    minted = call(
        "POST", f"api.github.com/app/installations/{INSTALLATION}/access_tokens", headers=bearer(token)
    )
    assert minted.status_code == 201
    headers = bearer(minted.json()["token"])
    address = "api.github.com/installation/repositories?per_page=1"
    answer = call("GET", address, headers=headers)
    assert len(answer.json()["repositories"]) == 1 and answer.headers["X-RateLimit-Remaining"] == "4999"
    # What costs nothing.
    assert call("GET", "api.github.com/rate_limit", headers=headers).json()["rate"]["remaining"] == 4999
    assert call("GET", "api.github.com/repos/somebody/else", headers=headers).status_code == 404
    call.control("clock", ahead=3_601)
    assert call("GET", address, headers=headers).json()["message"] == "Bad credentials"


def test_the_client_id_may_be_the_issuer(call):
    assert installation(call, app_jwt(APP["private_key"], APP["client_id"])).status_code == 200


@pytest.mark.parametrize(
    ("issuer", "times", "says"),
    [
        ("999", {}, "could not be decoded"),
        (str(APP["app_id"]), {"issued": 30}, "'iat'"),
        (str(APP["app_id"]), {"expires": -5}, "'exp'"),
        (str(APP["app_id"]), {"expires": 700}, "too far in the future"),
        (str(APP["app_id"]), {"issued": -3000, "expires": 590}, "too far in the future"),
    ],
)
def test_the_claims_of_a_jwt_are_checked(call, issuer, times, says):
    answer = installation(call, app_jwt(APP["private_key"], issuer, **times))
    assert answer.status_code == 401 and says in answer.json()["message"]


def test_a_jwt_of_another_key_or_algorithm_is_refused(call):
    other = signatures.pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    right = app_jwt(APP["private_key"], str(APP["app_id"]))
    header, claims, signature = right.split(".")
    forged = [
        app_jwt(other, str(APP["app_id"])),
        app_jwt("k" * 64, str(APP["app_id"]), algorithm="HS256"),
        app_jwt("", str(APP["app_id"]), algorithm="none"),
        app_jwt(APP["private_key"], str(APP["app_id"]), algorithm="RS512"),
        f"{header}.{claims}.",
        f"{header}.{claims}x.{signature}",
        right[:-4] + "AAAA",
        "nothing",
        "",
    ]
    for token in forged:
        assert installation(call, token).status_code == 401
    assert installation(call, right).status_code == 200


def test_a_jwt_says_how_it_is_signed(call):
    """A right signature beneath a header that names another algorithm, or none, is refused."""
    for algorithm in ("HS256", "none", "RS384", None):
        header = signatures.unpadded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        claims = app_jwt(APP["private_key"], str(APP["app_id"])).split(".")[1]
        signed = signatures.test_key().sign(
            f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        answer = installation(call, f"{header}.{claims}.{signatures.unpadded(signed)}")
        assert answer.status_code == 401, algorithm


def test_github_wants_a_user_agent(call):
    token = app_jwt(APP["private_key"], str(APP["app_id"]))
    call.session.headers.pop("User-Agent")
    answer = call(
        "GET",
        f"api.github.com/app/installations/{INSTALLATION}",
        headers=bearer(token) | {"User-Agent": None},
    )
    # urllib3 sends its own where none is given: an empty one is what is left to try.
    if answer.status_code == 200:
        answer = installation(call, token, **{"User-Agent": ""})
    assert answer.status_code == 403 and "User-Agent" in answer.text


def test_pkce_verifiers_are_well_formed():
    challenge = signatures.s256("a" * 43)
    assert signatures.pkce_holds(challenge, "a" * 43)
    for verifier in ("a" * 42, "a" * 129, "a" * 42 + "!", ""):
        assert not signatures.pkce_holds(signatures.s256(verifier), verifier)


def test_what_is_no_jwt_is_told_apart_from_a_failure():
    for text in ("a.b.c", "a.b", "....", "e30.e30.x"):
        with pytest.raises(BadSignature):
            signatures.verified_jwt(text, signatures.test_key().public_key())
