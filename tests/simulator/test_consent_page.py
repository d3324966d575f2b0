"""The consent page is one that a person can use, and shows nothing that was put into it as markup."""

from html.parser import HTMLParser

from tests.simulator.calls import AUTHORIZE


class Form(HTMLParser):
    """The fields of a page's form."""

    def __init__(self, text: str):
        super().__init__()
        self.fields: dict[str, str] = {}
        self.options: list[str] = []
        self.buttons: list[str] = []
        self.choices: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "input" and given["type"] == "hidden":
            self.fields[given["name"]] = given["value"]
        elif tag == "input":
            self.choices.append(given["value"])
        elif tag == "option":
            self.options.append(given["value"])
        elif tag == "button":
            self.buttons.append(given["value"])


def test_what_the_form_holds_is_enough_to_consent(call):
    page = call("GET", AUTHORIZE["quickbooks"], params=call.question("quickbooks"))
    form = Form(page.text)
    assert form.buttons == ["allow", "deny"] and {"", "wrong_state", "no_realm"} <= set(form.choices)
    assert len(form.options) == 3
    answer = call(
        "POST", AUTHORIZE["quickbooks"], data=form.fields | {"account": form.options[1], "decision": "allow"}
    )
    realm = form.options[1].split(":")[0]
    assert answer.status_code == 302 and f"realmId={realm}" in answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_only_the_accounts_of_the_host_are_offered(call):
    page = call("GET", AUTHORIZE["shopify"], params=call.question("shopify"))
    assert Form(page.text).options == ["arrakis-water.myshopify.com"]
    for host, count in (
        ("login.salesforce.com", 3),
        ("test.salesforce.com", 0),
        ("caladan-rice.my.salesforce.com", 1),
    ):
        address = f"{host}/services/oauth2/authorize"
        page = call("GET", address, params=call.question("salesforce"))
        assert len(Form(page.text).options) == count, host


def test_an_account_of_another_host_cannot_be_chosen(call):
    form = call.question("shopify") | {"account": "caladan-rice.myshopify.com", "decision": "allow"}
    assert call("POST", AUTHORIZE["shopify"], data=form).status_code == 400


def test_markup_that_is_put_in_stays_text(call):
    bad = '"><script>alert(1)</script>'
    for question in (
        call.question("hubspot", state=bad),
        call.question("hubspot", redirect_uri=bad),
        call.question("hubspot", client_id=bad),
    ):
        page = call("GET", AUTHORIZE["hubspot"], params=question)
        assert "script" not in Form(page.text).tags
        assert page.headers["X-Frame-Options"] == "DENY"


def test_a_header_cannot_be_put_in(call):
    form = call.question("hubspot", state="x\r\nSet-Cookie: evil=1")
    answer = call("POST", AUTHORIZE["hubspot"], data=form | {"decision": "deny"})
    assert "Set-Cookie" not in answer.headers
