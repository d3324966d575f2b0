"""Addresses of the console's pages of credentials."""

from django.contrib import admin
from django.urls import path

from credentials.console import (
    bulk_views,
    job_views,
    list_views,
    one_views,
    provider_views,
    start_views,
    upload_views,
)

signed_in = admin.site.admin_view

urlpatterns = [
    path("providers/", signed_in(provider_views.providers), name="providers"),
    path("providers/<slug:slug>/", signed_in(provider_views.provider), name="provider"),
    path(
        "providers/<slug:slug>/maintenance/",
        signed_in(provider_views.plan_maintenance),
        name="plan_maintenance",
    ),
    path("credentials/", signed_in(list_views.credentials), name="credentials"),
    path("credentials/bulk/", signed_in(bulk_views.bulk_act), name="bulk_credentials"),
    path("credentials/new/", signed_in(start_views.new_credential), name="new_credential"),
    path("credentials/import/", signed_in(upload_views.import_credentials), name="import_credentials"),
    path("credentials/import/<uuid:pk>/", signed_in(upload_views.upload), name="upload"),
    path("jobs/", signed_in(job_views.job_list), name="jobs"),
    path("jobs/<uuid:pk>/", signed_in(job_views.job), name="job"),
    path("jobs/<uuid:pk>/cancel/", signed_in(job_views.cancel_job), name="cancel_job"),
    path("credentials/<uuid:pk>/", signed_in(one_views.credential), name="credential"),
    path("credentials/<uuid:pk>/secret/", signed_in(one_views.replace_secret), name="replace_secret"),
]
