"""The list of channels, and the pages of one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from credentials.models import Channel, Delivery
from credentials.notifications import words
from credentials.notifications.forms import FIELDS, RULES, ChannelForm
from credentials.secret_holder_admin import SecretHolderAdmin, state_of
from health.templatetags.lanyard import BADGE, moment


def condition(channel: Channel) -> str:
    """Whether messages arrive, as colour, icon and words."""
    if not channel.enabled:
        return format_html(BADGE, "grey", "notifications_off", _("Switched off"))
    if channel.missing:
        return format_html(BADGE, "red", "error", _("Cannot send"))
    if channel.failures:
        words = ngettext("Failed %d time in a row", "Failed %d times in a row", channel.failures)
        return format_html(BADGE, "red", "error", words % channel.failures)
    if channel.last_sent_at is None:
        return format_html(BADGE, "grey", "pending", _("Nothing sent yet"))
    return format_html(BADGE, "green", "check_circle", _("Arrives"))


class ChannelAdmin(SecretHolderAdmin):
    class Media:
        css = {"all": ("lanyard/notifications.css",)}

    form = ChannelForm
    change_form_outer_before_template = "credentials/channel_acts.html"
    change_form_before_template = "credentials/channel_head.html"
    list_display = ("title", "condition", "told", "last_sent")
    ordering = ("name", "id")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")

    @display(description=gettext_lazy("name"), ordering="name", header=True)
    def title(self, channel: Channel) -> list:
        return [channel.name, f"{channel.get_way_display()}: {channel.where}"]

    @display(description=gettext_lazy("state"))
    def condition(self, channel: Channel) -> str:
        return condition(channel)

    @display(description=gettext_lazy("is told"))
    def told(self, channel: Channel) -> str:
        return "; ".join(words.rules(channel))

    @display(description=gettext_lazy("last message"), ordering="last_sent_at")
    def last_sent(self, channel: Channel) -> str:
        return moment(channel.last_sent_at)

    # --- one channel ----------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the way, which the address then names: what a channel needs follows from it."""
        if request.method == "GET" and self.has_add_permission(request) and not self._way(request):
            context = {
                **self.admin_site.each_context(request),
                "title": _("Add a notification channel"),
                "opts": self.opts,
                "ways": words.WAYS.items(),
            }
            return TemplateResponse(request, "credentials/choose_way.html", context)
        return super().add_view(request, form_url, extra_context)

    @staticmethod
    def _way(request: HttpRequest, obj: Channel | None = None) -> str:
        way = obj.way if obj else request.GET.get("way", "")
        return way if way in FIELDS else ""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        return type("WayForm", (made,), {"WAY": self._way(request, obj)})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        where: list[Any] = list(FIELDS.get(self._way(request, obj), ()))
        if obj and not self.has_change_permission(request, obj):
            secret = {"url", "signing_secret"}
            fields = {name: obj._meta.get_field(name) for name in secret}
            where = [state_of(fields[name]) if name in secret else name for name in where]
        return [
            (None, {"fields": ["name", "enabled"]}),
            (_("Where to"), {"fields": where}),
            (_("What is told"), {"fields": list(RULES)}),
        ]

    def render_change_form(self, request: HttpRequest, context: dict, *args: Any, **kwargs: Any) -> Any:
        channel = context.get("original")
        context["way"] = words.WAYS.get(self._way(request, channel))
        if channel:
            context["condition"] = condition(channel)
            context["rules"] = words.rules(channel)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """What goes, counted: a channel may have a million deliveries."""
        chosen = list(objs)
        listed = [str(channel) for channel in chosen]
        count = Delivery.objects.filter(channel__in=[channel.pk for channel in chosen]).count()
        if count:
            listed.append(_("the record of %d messages") % count)
        return listed, {self.opts.verbose_name_plural: len(chosen)}, set(), []
