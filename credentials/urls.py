"""Addresses of the pages around one credential. Those that need nobody signed in say so themselves."""

from django.contrib import admin
from django.urls import path

from credentials import views

signed_in = admin.site.admin_view

urlpatterns = [
    path("credentials/connect/<slug:kind>/", signed_in(views.connect_new), name="connect_new"),
    path("credentials/<uuid:pk>/connect/", signed_in(views.connect_again), name="connect_again"),
    path("credentials/<uuid:pk>/test/", signed_in(views.test), name="test_credential"),
    path("oauth-apps/<uuid:pk>/test/", signed_in(views.test_app), name="test_oauth_app"),
    path("oauth/refused/", signed_in(views.refused), name="oauth_refused"),
    # Its answer goes to the page before, which asks to sign in.
    path("oauth/<slug:provider>/callback", views.callback, name="oauth_callback"),
]
