from django.contrib import admin
from django.urls import include, path

from project import ops

urlpatterns = [
    path("", include("project.console.urls")),
    path("livez", ops.livez, name="livez"),
    path("readyz", ops.readyz, name="readyz"),
    path("metrics", ops.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("", include("credentials.urls")),
    path("", include("credentials.limit_urls")),
    path("", include("credentials.notifications.urls")),
    path("", include("health.console.urls")),
    path("", include("credentials.console.urls")),
    path("", include("project.console.saved_view_urls")),
    path("", include("project.console.find_urls")),
]

handler500 = "project.errors.server_error"
