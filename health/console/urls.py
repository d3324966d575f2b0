"""Addresses of the pages of health."""

from django.contrib import admin
from django.urls import path

from health.console import acts, board_views, component_views

signed_in = admin.site.admin_view

urlpatterns = [
    path("health/", signed_in(board_views.board), name="health_board"),
    path("health/<uuid:pk>/", signed_in(component_views.component), name="health_component"),
    path("health/<uuid:pk>/<slug:name>/", signed_in(acts.act), name="health_act"),
]
