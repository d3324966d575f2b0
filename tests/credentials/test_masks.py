"""What looks like a masked value is refused; what providers really issue is not."""

import random
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credentials.kinds import KINDS
from credentials.models import Credential
from credentials.sealing import MASK, fingerprint, problem, seal, unseal
from tests.factories import make_credential

LETTERS = string.ascii_letters + string.digits


def drawn(alphabet, length):
    return "".join(random.choices(alphabet, k=length))


def digits16(length):
    return drawn("0123456789abcdef", length)


def is_mask(text, **field):
    message = problem(text, max_length=8192, **{"multiline": True, **field})
    return message is not None and "masked" in str(message)


MASKS = [
    MASK,
    "***",
    "*" * 40,
    "•" * 12,
    "●●●●●●●●",
    "∙∙∙∙",
    "········",
    "...",
    "…",
    " ***** ",
    "* * * *",
    "***-***-***",
    "sk_live_***wxyz",
    "sk_test_...4eC3",
    "rk_live_…abcd",
    "abcd...wxyz",
    "abcd****",
    "****wxyz",
    "••••4242",
    "shpat_••••••••",
    "sk_test_••••4242",
    "SecretStr('**********')",
    "***REMOVED***",
    "[REDACTED]",
    "[redacted]",
    "<redacted>",
    "<hidden>",
    "$encrypted$",
]
# Not recognised as things are.
MORE_MASKS = [
    "sk_live_51H8xYzAbCdEfGh••••••••••••4242",  # Stripe: more than 16 characters before
    "github_pat_11ABCDEFG0...wxyz",
    "[Filtered]",  # Rails, Sentry
    "(sensitive value)",  # Terraform
    "(hidden)",
    "＊＊＊＊＊＊＊＊",  # full width
    "∗∗∗∗∗∗∗∗",
    "✱✱✱✱✱✱",
    "⬤⬤⬤⬤⬤⬤",
    "◦◦◦◦◦◦",
    "████████",
    "■■■■■■■■",
    "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
    "****-****-****",
    "********|********",
    "sealed:gAAAAABrBTsExyw48JBhUcIgcrhUlVN",  # what dumpdata writes
]


@pytest.mark.parametrize("text", MASKS)
def test_a_mask_is_refused(text):
    assert is_mask(text)


@pytest.mark.parametrize("text", MORE_MASKS)
def test_a_mask_of_another_look_is_refused(text):
    assert is_mask(text)


# reference/providers.md, "formats"
ISSUED = {
    "airtable pat": lambda: f"pat{drawn(LETTERS, 14)}.{digits16(64)}",
    "airtable access token": lambda: f"oaa{drawn(LETTERS, 14)}.v1.{drawn(LETTERS + '-_', 60)}.{digits16(64)}",
    "airtable key": lambda: f"key{drawn(LETTERS, 14)}",
    "auth0": lambda: drawn(LETTERS + "_-", 64),
    "jwt": lambda: (
        f"eyJ{drawn(LETTERS + '-_', 40)}.eyJ{drawn(LETTERS + '-_', 90)}.{drawn(LETTERS + '-_', 43)}"
    ),
    "jwe": lambda: (
        f"eyJ{drawn(LETTERS, 60)}..{drawn(LETTERS, 16)}.{drawn(LETTERS, 500)}.{drawn(LETTERS, 22)}"
    ),
    "github": lambda: f"ghr_{drawn(LETTERS, 76)}",
    "github fine-grained": lambda: f"github_pat_{drawn(LETTERS + '_', 82)}",
    "hubspot pat": lambda: f"pat-na1-{digits16(8)}-{digits16(4)}-{digits16(4)}-{digits16(4)}-{digits16(12)}",
    "uuid": lambda: f"{digits16(8)}-{digits16(4)}-{digits16(4)}-{digits16(4)}-{digits16(12)}",
    "linear": lambda: f"lin_oauth_{digits16(64)}",
    "32 hex": lambda: digits16(32),
    "marketo": lambda: drawn(LETTERS, 32),
    "netsuite": lambda: drawn(LETTERS, 64),
    "quickbooks": lambda: f"AB11{drawn(LETTERS, 46)}",
    "quickbooks of 2026": lambda: f"RT1-{drawn(string.digits, 3)}-H0-{drawn(LETTERS, 30)}",
    "salesforce refresh": lambda: f"5Aep861{drawn(LETTERS + '._', 80)}",
    "salesforce access": lambda: f"00D{drawn(LETTERS, 12)}!{drawn(LETTERS + '_', 96)}",
    "salesforce secret of digits": lambda: drawn(string.digits, 19),
    "sendgrid": lambda: f"SG.{drawn(LETTERS + '_-', 22)}.{drawn(LETTERS + '_-', 43)}",
    "shopify": lambda: f"shpat_{digits16(32)}",
    "stripe": lambda: f"sk_live_{drawn(LETTERS, 99)}",
    "stripe refresh": lambda: f"rt_{drawn(LETTERS, 24)}",
    "base64": lambda: drawn(LETTERS + "+/", 43) + "=",
    "generated password": lambda: drawn("".join(set(string.printable[:94]) - set("*.&")), 16),
    "passphrase": lambda: "correct horse battery staple",
    "password with stars": lambda: f"{drawn(LETTERS, 6)}*{drawn(LETTERS, 6)}**{drawn(LETTERS, 4)}",
    "password with dots": lambda: f"J.{drawn(LETTERS, 6)}..{drawn(LETTERS, 4)}.",
    "one letter": lambda: "x",
    "pem": lambda: (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + f"{drawn(LETTERS + '+/', 64)}\n" * 25
        + "-----END RSA PRIVATE KEY-----\n"
    ),
}


@pytest.mark.parametrize("what", ISSUED)
def test_what_a_provider_issues_is_no_mask(what):
    for _ in range(50):
        text = ISSUED[what]()
        assert problem(text, max_length=8192, multiline=True) is None, text


PASSWORDS = [
    *(
        "wait...what?",
        "Hello...World1",
        "xxxxxxxx",
        "XXXXXXXXXXXX",
        "Tr0ub4dor***",
        "a•••b!Z",
        "***hunter2***",
    ),
    *(
        "abcde...wxyz",
        "abcd...vwxyz",
        "abc***wxyz",
        "J...",
        "**",
        "x",
        "my_xxxxxxxx",
        "***wxyz",
        "sk_...",
        "•••!",
    ),
]


@pytest.mark.parametrize("text", PASSWORDS)
def test_what_only_reminds_of_a_mask_is_taken_in_every_field(text):
    assert not is_mask(text) and not is_mask(text, multiline=False, spaces=True)


@pytest.mark.parametrize("text", ["wait...what", "abcd****", "****wxyz", "four***four", "Summ…2026"])
def test_a_password_may_look_like_a_shortened_key_and_a_key_may_not(text):
    assert is_mask(text) and not is_mask(text, multiline=False, spaces=True)


@pytest.mark.parametrize("text", [MASK, "••••••••", "[REDACTED]", "sk_live_...wxyz", "…"])
def test_no_password_is_only_stars_or_says_that_it_is_hidden(text):
    assert is_mask(text, multiline=False, spaces=True)


# --- properties

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
ANY = st.text(st.characters(), max_size=300)


@given(text=ANY, multiline=st.booleans(), spaces=st.booleans())
def test_every_text_is_judged_without_an_error(text, multiline, spaces):
    message = problem(text, max_length=200, multiline=multiline, spaces=spaces)
    assert message is None or str(message)


@given(text=PLAIN, row=st.uuids(), version=st.integers(0, 2**31), host=st.text(max_size=50))
def test_every_text_opens_as_it_was_sealed(text, row, version, host):
    place, destination = ["credentials.stripekey", "secret", str(row), version], ("kind", f"host={host}")
    key, token = seal(text, place, destination)
    assert unseal(token, key, place, destination) == text
    assert fingerprint(text) == fingerprint(text)


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=PLAIN)
def test_every_secret_that_passes_is_used_as_it_was_saved(text, the_credential):
    credential = Credential.objects.get(pk=the_credential)
    field = KINDS["checkout_champ_password"]._meta.get_field("password")
    credential.password = text
    if field.problem(text) or "&" in text:
        with pytest.raises(Exception):  # noqa: B017
            credential.save()
        return
    credential.save()
    loaded = Credential.objects.get(pk=the_credential)
    assert loaded.password.use(loaded.destination()) == text
    assert Credential.holding(text).get() == loaded


@pytest.fixture
def the_credential(db):
    return make_credential("checkout_champ_password").pk


@pytest.mark.parametrize("part", [*"*•.…-_| x", "sk_", "...", "***a", "a..."])
def test_no_text_takes_long_to_judge(part):
    # A text that makes an expression go back over itself would keep this from ending.
    many = (part * 8192)[:8000]
    for text in (many, many + "a" * 40, "a" + many + "!"):
        problem(text, max_length=8192, multiline=True)
