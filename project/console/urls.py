"""The address at which people start."""

from django.contrib import admin
from django.urls import path

from project.console import views

urlpatterns = [path("", admin.site.admin_view(views.home), name="home")]
