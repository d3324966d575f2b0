"""Messages as mail, through the server that EMAIL_URL names."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from credentials.models.channel import Channel
from credentials.notifications import messages
from credentials.notifications.messages import Message
from credentials.notifications.outcomes import Outcome

# By the names of smtplib's errors, whose texts hold what the server said.
REASONS = {
    "SMTPAuthenticationError": "The mail server did not accept our user name and password.",
    "SMTPSenderRefused": "The mail server refused the sender: see EMAIL_FROM.",
    "SMTPRecipientsRefused": "The mail server refused every address.",
    "SMTPDataError": "The mail server refused the message.",
    "SMTPServerDisconnected": "The mail server ended the connection.",
    "SMTPConnectError": "The mail server did not greet us.",
    "SMTPNotSupportedError": "The mail server does not offer what EMAIL_URL asks for.",
    "TimeoutError": "The mail server did not answer in time.",
    "ConnectionRefusedError": "The mail server refused the connection.",
    "gaierror": "The name of the mail server was not found.",
    "SSLCertVerificationError": "The certificate of the mail server is not valid.",
}


def send(channel: Channel, message: Message) -> Outcome:
    """Send one mail to all addresses. Never raises for what the server does."""
    if not settings.MAIL_SERVER:
        return Outcome(False, _("No mail server is configured: set EMAIL_URL."))
    mail = EmailMessage(
        subject=messages.subject(message),
        body=messages.text(message),
        to=channel.addresses,
        # The same whenever it is sent again, so that a mailbox can tell.
        headers={"Message-ID": f"<{message.id}@lanyard>", "Auto-Submitted": "auto-generated"},
    )
    try:
        mail.send()
    except OSError as error:  # all of smtplib's are
        name, status = type(error).__name__, getattr(error, "smtp_code", None)
    else:
        return Outcome(True)
    reason = REASONS.get(name, "The mail could not be handed to the mail server.")
    return Outcome(False, reason, status if isinstance(status, int) and 0 < status < 1000 else None)
