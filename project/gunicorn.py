"""gunicorn's settings: `gunicorn --config python:project.gunicorn project.wsgi` in this folder."""

import os

bind = "127.0.0.1:8000"
worker_class = "sync"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# In seconds. A test or a consent is a few calls one after the other, each of which ends after ten; a worker
# that is killed meanwhile loses what a provider has just given it.
timeout = 120
# Loaded before the workers start, so that a mistake in the settings ends the server with status 2 instead of
# being met again by every new worker.
preload_app = True
# No socket by which others could steer the server.
control_socket_disable = True
