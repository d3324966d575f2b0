"""No secret is shown by what goes out and comes back, though providers repeat all that they are sent.

Every kind signs in at a provider that answers each request with a failure which quotes the whole request.
Then the secrets are looked for: those stored, access tokens, rotated refresh tokens, JWTs and signatures, in
the database, the logs, the output of commands, and in errors with their frames.
"""

import io
import logging
import re
import traceback

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from credentials import egress, exchange, probes, tokens
from credentials.app_documents import import_app
from credentials.exchange import Call
from credentials.kinds import KINDS
from credentials.models import AccessToken, Credential, Limit, OAuthApp
from credentials.models.access import Tokens
from credentials.sealing import secret_fields
from credentials.sessions import SignInFailed
from credentials.simulator import cast
from credentials.simulator.messages import Answer
from tests import canary
from tests.factories import make_credential

pytestmark = pytest.mark.django_db(transaction=True)

HERE = __file__
PREFIXES = {"stripe_oauth2": "rt_", "shopify_oauth2": "shpat_", "sendgrid_key": "SG."}
# Words of letters only, which nothing but the secret itself tells from other words.
PASSWORDS = {
    "checkout_champ_password": "correct horse, battery staple",
    "servicenow_password": "Tränen der Wüste",
}
EXCHANGING = ["airtable_oauth2", "github_app", "auth0_client_credentials", "workday_oauth2", "linear_oauth2"]
# Values that hold secrets, and whose own words show none of them.
SHOW_NOTHING = (Call, exchange.Answer, Tokens, egress.Response)
STATUSES = (400, 401, 500)


class Echo:
    """A provider that repeats whatever it is sent. `broken` is what the token endpoint does: a status or a
    behaviour; None lets it give tokens."""

    def __init__(self):
        self.status, self.broken, self.secrets, self.asked = 400, None, [], 0

    def answer(self, request):
        self.asked += 1
        self.note(request)
        said = request.url + " " + " ".join(f"{k}: {v}" for k, v in request.headers.items())
        said += " " + request.body.decode("utf-8", "replace") + " " + str(request.form())
        request.provider = None
        if request.method == "POST" and "token" in request.path:
            if self.broken is None:
                return self.tokens()
            if isinstance(self.broken, str):
                return Answer(behaviour=self.broken, as_it_is=True)
            return Answer(self.broken, {"error": "invalid_grant", "error_description": said})
        words = [said[start : start + 250] for start in range(0, len(said), 250)]
        body = {"error": "something", "message": said, "errors": [{"message": one} for one in words]}
        return Answer(self.status, body)

    def tokens(self):
        access, refresh = canary.make_plain("access"), canary.make_plain("refresh")
        self.secrets += [access, refresh]
        found = {"access_token": access, "token": access, "refresh_token": refresh, "expires_in": 3600}
        return Answer(200, found)

    def note(self, request):
        """What signs the request in is secret as well: a JWT, a signature, a password in base64."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        signature = re.search('oauth_signature="([^"]+)"', value)
        self.secrets += [signature[1]] if signature else [value] if value else []


@pytest.fixture
def echo(simulator, monkeypatch):
    made = Echo()
    monkeypatch.setattr(simulator.router, "answer", made.answer)
    return made


@pytest.fixture
def planted(echo):
    """Stores a credential of a kind with a canary in each secret, and its app with one as well."""

    def plant(kind):
        secrets = {
            field.name: PASSWORDS.get(kind) or canary.make_plain(PREFIXES.get(kind, ""))
            for field in secret_fields(KINDS[kind])
        }
        echo.secrets += secrets.values()
        provider = KINDS[kind].PROVIDER.key
        if KINDS[kind].USES_OAUTH_APP:
            import_app(cast.app(provider))
            app = OAuthApp.objects.get(provider=provider)
            if provider != "github":
                app.client_secret = canary.make_plain()
                app.save()
                echo.secrets.append(app.client_secret.use(app.destination()))
        credential = make_credential(kind, **secrets)
        # Nothing waits for its turn.
        credential.set_limit(Limit(1_000, 1_000, None))
        return Credential.objects.get(pk=credential.pk)

    return plant


def assert_hidden(secrets, text):
    assert secrets
    leaked = canary.leaks(secrets, [("text", canary.as_bytes(text))])
    # Where, for whoever reads it.
    lines = {
        line[:3000] for line in text.splitlines() if leaked and any(canary.find(s, line) for s in secrets)
    }
    assert (leaked, lines) == ([], set())


def shown_by(error):
    """What error reporters print of an error: its words, and the variables of its frames but those here."""
    shown = [f"{error} {error!r} {error.args!r} {vars(error)!r}"]
    while error is not None:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != HERE:
                shown.append(repr(frame.f_locals))
                # Of our own objects also what they hold.
                shown += [
                    repr(vars(value))
                    for value in frame.f_locals.values()
                    if type(value).__module__.startswith("credentials.")
                    and hasattr(value, "__dict__")
                    and not isinstance(value, SHOW_NOTHING)
                ]
        error = error.__cause__ or error.__context__
        shown.append(repr(error))
    return "\n".join(shown)


def test_this_test_sees_what_is_shown(caplog):
    secret = canary.make_plain()

    def fails(held):
        raise ValueError

    with pytest.raises(ValueError) as caught:
        fails(secret)
    # Frames of this file are left out, so one of another is looked at.
    code = compile("def fails(held):\n    raise ValueError", "elsewhere.py", "exec")
    namespace = {}
    exec(code, namespace)
    with pytest.raises(ValueError) as caught:
        namespace["fails"](secret)
    assert canary.find(secret, shown_by(caught.value))


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_providers_repeat_is_not_shown(kind, planted, echo, caplog):
    credential = planted(kind)
    caplog.set_level(logging.DEBUG)
    output = io.StringIO()
    for status in STATUSES:
        echo.status = status
        for as_json in (False, True):
            try:
                options = {"as_json": as_json, "stdout": output, "stderr": output}
                call_command("test_credential", str(credential.pk), **options)
            except (CommandError, SystemExit) as error:
                output.write(repr(error))
        found = probes.test(Credential.objects.get(pk=credential.pk))
        assert not found.works
        # It says what was answered, without what is secret in it.
        assert found.observation.detail
        output.write(repr(found) + repr(found.document()))
        with credential.session() as s:
            answer = s.get("/anything")
            output.write(f"{answer!r} {vars(answer.request)}")
    assert echo.asked
    assert_hidden(echo.secrets, output.getvalue())
    assert_hidden(echo.secrets, caplog.text + repr([vars(one) for one in caplog.records]))
    if connection.vendor == "sqlite":
        connection.ensure_connection()
    assert canary.leaks(echo.secrets, canary.database()) == []


@pytest.mark.parametrize("broken", [400, 401, 500, "reset", "truncated"])
@pytest.mark.parametrize("kind", EXCHANGING)
def test_errors_of_an_exchange_show_nothing(kind, broken, planted, echo):
    credential = planted(kind)
    echo.status = 401
    token = tokens.access_token(credential)
    echo.broken = broken
    with credential.session() as s, pytest.raises(SignInFailed) as caught:
        s.get("/anything")
    assert token in echo.secrets
    assert_hidden(echo.secrets, shown_by(caught.value))
    AccessToken.objects.all().delete()
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(credential)
    assert_hidden(echo.secrets, shown_by(caught.value) + repr(caught.value.reading))


@pytest.mark.parametrize("kind", list(KINDS))
def test_errors_of_a_request_show_nothing(kind, planted, echo, simulator, monkeypatch):
    from requests import RequestException

    credential = planted(kind)
    with credential.session() as s:
        s.get("/anything")

        def cut(request):
            echo.note(request)
            return Answer(behaviour="reset", as_it_is=True)

        monkeypatch.setattr(simulator.router, "answer", cut)
        call = next(credential.probe())
        with pytest.raises(RequestException) as caught:
            s.request(call.method, call.url, data=call.form)
        assert_hidden(echo.secrets, shown_by(caught.value))
        credential.rate_limit.hold_off(seconds=60)
        s.wait = 0
        with pytest.raises(RequestException) as caught:
            s.request(call.method, call.url, data=call.form)
        assert_hidden(echo.secrets, shown_by(caught.value))


def test_a_rotated_token_that_cannot_be_stored_shows_nothing(planted, echo, monkeypatch):
    from django.db import DatabaseError

    from credentials.models import Fingerprint

    credential = planted("airtable_oauth2")
    monkeypatch.setattr(tokens, "STORING_TRIES", 1)

    def failing(*_args):
        raise DatabaseError("disk full")

    monkeypatch.setattr(type(Fingerprint.objects), "remember", failing)
    with pytest.raises(DatabaseError) as caught:
        tokens.access_token(credential)
    assert_hidden(echo.secrets, shown_by(caught.value))
