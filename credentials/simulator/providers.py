"""The providers: this list is all there is to register."""

from credentials.simulator import (
    airtable,
    auth0,
    checkout_champ,
    github,
    hubspot,
    linear,
    marketo,
    netsuite,
    quickbooks,
    salesforce,
    sendgrid,
    servicenow,
    shopify,
    stripe,
    workday,
)
from credentials.simulator.routing import Provider

PROVIDERS: list[Provider] = [
    airtable.PROVIDER,
    auth0.PROVIDER,
    checkout_champ.PROVIDER,
    github.PROVIDER,
    hubspot.PROVIDER,
    linear.PROVIDER,
    marketo.PROVIDER,
    netsuite.PROVIDER,
    quickbooks.PROVIDER,
    salesforce.PROVIDER,
    sendgrid.PROVIDER,
    servicenow.PROVIDER,
    shopify.PROVIDER,
    stripe.PROVIDER,
    workday.PROVIDER,
]
