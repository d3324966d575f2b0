"""Addresses of finding."""

from django.contrib import admin
from django.urls import path

from project.console import find_views

signed_in = admin.site.admin_view

urlpatterns = [
    path("find/", signed_in(find_views.find), name="find"),
    path("find/leaked/", signed_in(find_views.look), name="find_leaked"),
]
