"""The page on which a customer consents, in plain HTML, with what can go wrong as choices beside it."""

from html import escape

from credentials.simulator.messages import Answer
from credentials.simulator.state import Account

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; background: #eef1f5; color: #1c2430; margin: 0;
  padding: 4vh 1rem; }
main { max-width: 30rem; margin: auto; background: #fff; border-radius: 12px; padding: 1.5rem 2rem 2rem;
  box-shadow: 0 1px 3px #0003; }
h1 { font-size: 1.3rem; margin: .5rem 0; } p, li { color: #445; } ul { padding-left: 1.2rem; }
.note { font-size: .8rem; color: #7a4b00; background: #fff4dc; border-radius: 6px; padding: .3rem .6rem; }
fieldset { border: 1px solid #d5dae2; border-radius: 8px; margin: 1rem 0; padding: .5rem 1rem; }
label { display: block; padding: .15rem 0; overflow-wrap: anywhere; }
select { width: 100%; font: inherit; padding: .4rem; }
.buttons { display: flex; gap: .75rem; margin-top: 1rem; }
button { font: inherit; padding: .6rem 1.2rem; border-radius: 8px; border: 1px solid #b6bfcc;
  background: #fff; cursor: pointer; }
button.allow { background: #1f5eff; border-color: #1f5eff; color: #fff; }
"""
BROKEN = (
    ("", "nothing"),
    ("wrong_state", "send another state back"),
    ("no_state", "send no state back"),
    ("missing_scope", "grant one scope less than was asked for"),
    ("other_account", "answer for another account than the chosen one"),
    ("used_code", "send back a code that was used before"),
)


def page(
    provider: str,
    client_id: str,
    scopes: list[str],
    accounts: list[Account],
    asked: dict[str, str],
    broken: tuple[tuple[str, str], ...] = (),
    action: str = "",
) -> Answer:
    """The consent page. Its form sends what was asked back to where the page came from, with the choices."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in asked.items()
    )
    options = "".join(
        f'<option value="{escape(account.id)}">{escape(account.name)} ({escape(account.id)})</option>'
        for account in accounts[:500]
    )
    choices = "".join(
        f'<label><input type="radio" name="broken" value="{escape(value)}"{"" if value else " checked"}>'
        f" {escape(words)}</label>"
        for value, words in (*BROKEN, *broken)
    )
    wanted = "".join(f"<li>{escape(scope)}</li>" for scope in scopes) or "<li>what it was set up for</li>"
    return _html(
        f"Consent at {provider.title()}",
        f"""<h1>Let this app into your {escape(provider.title())} account?</h1>
<p>The app <strong>{escape(client_id)}</strong> asks for:</p><ul>{wanted}</ul>
<form method="post" action="{escape(action)}">{hidden}
<label>Account <select name="account">{options}</select></label>
<div class="buttons"><button class="allow" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></div>
<fieldset><legend>Do wrong on purpose</legend>{choices}</fieldset></form>""",
    )


def problem(words: str, detail: str = "", status: int = 400) -> Answer:
    """A page that says what is wrong with the request; the browser is sent nowhere."""
    shown = f"<p><code>{escape(detail[:500])}</code></p>" if detail else ""
    answer = _html("Something is wrong", f"<h1>Something is wrong</h1><p>{escape(words)}</p>{shown}")
    answer.status = status
    return answer


def _html(title: str, content: str) -> Answer:
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        '<p class="note">Provider simulator: nothing here is real.</p>'
        f"{content}</main></body></html>"
    )
    headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
    return Answer(200, text, headers)
