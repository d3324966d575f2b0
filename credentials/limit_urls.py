"""Addresses of the pages of rate limits."""

from django.contrib import admin
from django.urls import path

from credentials import limit_views

signed_in = admin.site.admin_view

urlpatterns = [
    path("rate-limits/", signed_in(limit_views.limits), name="rate_limits"),
    path("rate-limits/<uuid:pk>/", signed_in(limit_views.limit), name="rate_limit"),
    path("rate-limits/<uuid:pk>/lift/", signed_in(limit_views.lift), name="lift_hold_off"),
    path("rate-limits/<uuid:pk>/adopt/", signed_in(limit_views.adopt), name="adopt_limit"),
]
