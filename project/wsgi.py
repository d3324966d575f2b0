"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

application = get_wsgi_application()

from project import start  # noqa: E402 - the models are there only now

start.check_keys()
