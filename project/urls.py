from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("", include("credentials.urls")),
    path("", include("credentials.limit_urls")),
]

handler500 = "project.errors.server_error"
