"""The kinds of credentials, one file for each provider. This list is all there is to register."""

from credentials.kinds.airtable import AirtableOAuth2
from credentials.kinds.auth0 import Auth0ClientCredentials
from credentials.kinds.checkout_champ import CheckoutChampPassword
from credentials.kinds.github import GitHubApp
from credentials.kinds.hubspot import HubSpotOAuth2
from credentials.kinds.linear import LinearOAuth2
from credentials.kinds.marketo import MarketoClientCredentials
from credentials.kinds.netsuite import NetSuiteTBA
from credentials.kinds.provider import Provider
from credentials.kinds.quickbooks import QuickBooksOAuth2
from credentials.kinds.salesforce import SalesforceOAuth2
from credentials.kinds.sendgrid import SendGridKey
from credentials.kinds.servicenow import ServiceNowClientCredentials, ServiceNowPassword
from credentials.kinds.shopify import ShopifyOAuth2
from credentials.kinds.stripe import StripeKey, StripeOAuth2
from credentials.kinds.workday import WorkdayOAuth2
from credentials.models.credential import Credential

KINDS: dict[str, type[Credential]] = {
    kind.KIND: kind
    for kind in (
        AirtableOAuth2,
        CheckoutChampPassword,
        GitHubApp,
        HubSpotOAuth2,
        LinearOAuth2,
        SalesforceOAuth2,
        ShopifyOAuth2,
        StripeKey,
        StripeOAuth2,
        Auth0ClientCredentials,
        MarketoClientCredentials,
        NetSuiteTBA,
        QuickBooksOAuth2,
        SendGridKey,
        ServiceNowPassword,
        ServiceNowClientCredentials,
        WorkdayOAuth2,
    )
}
PROVIDERS: dict[str, Provider] = {
    kind.PROVIDER.key: kind.PROVIDER for kind in sorted(KINDS.values(), key=lambda kind: kind.PROVIDER.name)
}


def named(name: str) -> type[Credential] | None:
    """The kind with this name, or that had it in older documents; None where there is none."""
    older = {old: kind for kind in KINDS.values() for old in kind.OLDER_KINDS}
    return KINDS.get(name) or older.get(name)


def of_provider(provider: str) -> list[type[Credential]]:
    """The kinds of one provider."""
    return [kind for kind in KINDS.values() if kind.PROVIDER.key == provider]
