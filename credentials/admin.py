"""The back office of credentials and OAuth apps: which page serves which model."""

from django.contrib import admin

from credentials import audit_admin, kinds  # noqa: F401 - audit_admin registers its page
from credentials.credential_admin import CredentialAdmin
from credentials.kind_admin import KindAdmin
from credentials.models import Channel, Credential, OAuthApp
from credentials.notifications.admin import ChannelAdmin
from credentials.oauth_app_admin import OAuthAppAdmin

admin.site.register(Credential, CredentialAdmin)
for kind in kinds.KINDS.values():
    admin.site.register(kind, KindAdmin)
admin.site.register(OAuthApp, OAuthAppAdmin)
admin.site.register(Channel, ChannelAdmin)
