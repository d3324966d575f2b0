"""Addresses of what a person does with their saved views."""

from django.contrib import admin
from django.urls import path

from project.console import saved_views

signed_in = admin.site.admin_view

urlpatterns = [
    path("views/save/", signed_in(saved_views.save), name="save_view"),
    path("views/<int:pk>/rename/", signed_in(saved_views.rename), name="rename_view"),
    path("views/<int:pk>/delete/", signed_in(saved_views.delete), name="delete_view"),
]
