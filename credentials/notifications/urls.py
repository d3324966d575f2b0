"""Addresses of the pages of channels."""

from django.contrib import admin
from django.urls import path

from credentials.notifications import views

signed_in = admin.site.admin_view

urlpatterns = [
    path("notifications/<uuid:pk>/messages/", signed_in(views.deliveries), name="deliveries"),
    path("notifications/<uuid:pk>/test/", signed_in(views.send_test), name="test_channel"),
    path("notifications/messages/<uuid:key>/again/", signed_in(views.send_again), name="deliver_again"),
]
