"""Addresses of the console's pages of credentials."""

from django.contrib import admin
from django.urls import path

from credentials.console import list_views, one_views, provider_views

signed_in = admin.site.admin_view

urlpatterns = [
    path("providers/", signed_in(provider_views.providers), name="providers"),
    path("providers/<slug:slug>/", signed_in(provider_views.provider), name="provider"),
    path("credentials/", signed_in(list_views.credentials), name="credentials"),
    path("credentials/<uuid:pk>/", signed_in(one_views.credential), name="credential"),
    path("credentials/<uuid:pk>/secret/", signed_in(one_views.replace_secret), name="replace_secret"),
]
