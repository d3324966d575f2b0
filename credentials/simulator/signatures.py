"""What the providers verify, by code of the simulator's own: PKCE, HMAC, OAuth 1.0a and JWT."""

import base64
import hashlib
import hmac
import json
import re
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class BadSignature(Exception):
    """It does not verify; the message says what is wrong."""


def s256(verifier: str) -> str:
    """The code challenge of a verifier, RFC 7636 section 4.2."""
    return unpadded(hashlib.sha256(verifier.encode()).digest())


def pkce_holds(challenge: str, verifier: str) -> bool:
    """Whether a verifier is well formed and belongs to the challenge."""
    well_formed = re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier) is not None
    return well_formed and hmac.compare_digest(s256(verifier), challenge)


def unpadded(raw: bytes) -> str:
    """Base64url without its padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hmac_hex(secret: str, text: str) -> str:
    """HMAC-SHA256 in hexadecimal, as Shopify signs callbacks."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def hmac_base64(secret: str, text: str) -> str:
    """HMAC-SHA256 in base64, as Salesforce signs its identity."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


# --- OAuth 1.0a, RFC 5849, with HMAC-SHA256 -----------------------------------------------------------------


def oauth1_parameters(header: str) -> dict[str, str]:
    """The parameters of an `Authorization: OAuth` header. Raises BadSignature where it is malformed."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        raise BadSignature("no OAuth header")
    found: dict[str, str] = {}
    for part in rest.split(","):
        match = re.fullmatch(r'\s*([A-Za-z0-9_]+)="([^"]*)"\s*', part)
        if match is None or match[1] in found:
            raise BadSignature("malformed OAuth header")
        found[match[1]] = unquote(match[2])
    return found


def oauth1_base_string(method: str, url: str, parameters: list[tuple[str, str]]) -> str:
    """Section 3.4.1: method, address and parameters, each escaped. `url` is without a query."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    pairs = sorted((_escaped(name), _escaped(value)) for name, value in parameters)
    normal = "&".join(f"{name}={value}" for name, value in pairs)
    address = f"{scheme.lower()}://{host.lower()}{slash or '/'}{path}"
    return "&".join((method.upper(), _escaped(address), _escaped(normal)))


def oauth1_holds(base_string: str, consumer_secret: str, token_secret: str, signature: str) -> bool:
    """Whether a signature is that of the base string."""
    key = f"{_escaped(consumer_secret)}&{_escaped(token_secret)}"
    return hmac.compare_digest(hmac_base64(key, base_string), signature)


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")


# --- JWT with RS256, RFC 7515 -------------------------------------------------------------------------------


def verified_jwt(token: str, public_key: rsa.RSAPublicKey) -> dict[str, Any]:
    """The claims of a JWT that the key's owner signed with RS256. Raises BadSignature."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadSignature("not a JWT")
    try:
        header, claims = (json.loads(_raw(part)) for part in parts[:2])
        signature = _raw(parts[2])
    except ValueError:
        raise BadSignature("not a JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "RS256":
        raise BadSignature("the algorithm is not RS256")
    try:
        public_key.verify(signature, f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise BadSignature("the signature does not verify") from None
    return claims


def _raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@cache
def test_key() -> rsa.RSAPrivateKey:
    """The private key of the simulated GitHub App: made once in each process, never stored."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    """A private key in the form in which GitHub hands it out."""
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@cache
def public_of(text: str) -> rsa.RSAPublicKey:
    """The public half of a private key in PEM form."""
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadSignature("not an RSA key")
    return key.public_key()
