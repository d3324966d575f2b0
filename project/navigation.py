"""What the theme shows around every page: names, colours, the sidebar."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _link(title: Any, icon: str, route: str, *permissions: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(route),
        "permission": lambda request: request.user.has_perms(permissions),
    }


def _of_credentials(path: str) -> bool:
    """Whether a page is about credentials: of the console, or of the back office of one of the kinds."""
    _root, first, *rest = path.split("/")
    if first == "admin":
        return rest[:1] == ["credentials"] and rest[1:2] not in (["oauthapp"], ["channel"], ["auditevent"])
    return first == "credentials"


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Lanyard",
    "SITE_HEADER": "Lanyard",
    "SITE_SUBHEADER": _("Credentials, limits, health"),
    "SITE_SYMBOL": "badge",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("lanyard/favicon.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [
        lambda request: static("lanyard/lanyard.css"),
        lambda request: static("lanyard/everybody.css"),
        lambda request: static("lanyard/find.css"),
        lambda request: static("health/health.css"),
    ],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        }
    },
    "SIDEBAR": {
        "command_search": True,
        "navigation": [
            {
                "items": [
                    {
                        **_link(
                            _("Overview"),
                            "dashboard",
                            "home",
                            *("credentials.view_credential", "health.view_component"),
                        ),
                        # Every address begins with that of the overview.
                        "active": lambda request: request.path == "/",
                    }
                ]
            },
            {
                "title": _("Access to accounts"),
                "items": [
                    {
                        **_link(_("Credentials"), "key", "credentials", "credentials.view_credential"),
                        "active": lambda request: _of_credentials(request.path),
                    },
                    _link(
                        _("OAuth apps"),
                        "apps",
                        "admin:credentials_oauthapp_changelist",
                        "credentials.view_oauthapp",
                    ),
                    _link(_("Rate limits"), "speed", "rate_limits", "credentials.view_credential"),
                    _link(_("Providers"), "hub", "providers", "credentials.view_credential"),
                    _link(_("Jobs"), "rule", "jobs", "credentials.view_credential"),
                ],
            },
            {
                "title": _("Health"),
                "items": [
                    {
                        **_link(_("Health"), "ecg_heart", "health_board", "health.view_component"),
                        # The back office has an address with this in its middle.
                        "active": lambda request: request.path.startswith("/health/"),
                    },
                    _link(
                        _("Components"),
                        "monitor_heart",
                        "admin:health_component_changelist",
                        "health.view_component",
                    ),
                    _link(_("Flips"), "swap_vert", "admin:health_flip_changelist", "health.view_flip"),
                    _link(
                        _("Notification channels"),
                        "notifications",
                        "admin:credentials_channel_changelist",
                        "credentials.view_channel",
                    ),
                ],
            },
            {
                "title": _("People"),
                "items": [
                    _link(_("Users"), "person", "admin:auth_user_changelist", "auth.view_user"),
                    _link(_("Groups"), "group", "admin:auth_group_changelist", "auth.view_group"),
                    _link(
                        _("Audit trail"),
                        "policy",
                        "admin:credentials_auditevent_changelist",
                        "credentials.view_auditevent",
                    ),
                ],
            },
        ],
    },
}
