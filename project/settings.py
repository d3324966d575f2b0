"""All settings. What differs between installations comes from the environment or .env (project/dotenv.py
writes one); `Environment` collects the mistakes in it and ends the process with one line for each."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from project import environment, sqlite
from project.navigation import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent

env = environment.load(BASE_DIR)
DEBUG = env.switch("DEBUG")
HTTPS = env.switch("HTTPS")
SECRET_KEY = env.secret_key()
FERNET_KEYS = env.random_keys("FERNET_KEYS")
FINGERPRINT_KEY = env.random_key("FINGERPRINT_KEY")
env.must_differ(SECRET_KEY, FERNET_KEYS, FINGERPRINT_KEY)
ALLOWED_HOSTS = env.hosts(debug=DEBUG, https=HTTPS)
PROVIDER_SIMULATOR_URL = env.provider_simulator(ALLOWED_HOSTS)
TIME_ZONE = env.time_zone()
METRICS_TOKEN = env.token("METRICS_TOKEN")
LANYARD_URL = env.base_url("LANYARD_URL")
NOTIFICATION_HOSTS = env.plain_hosts("NOTIFICATION_HOSTS")
mail = env.mail("EMAIL_URL")
database = env.database(BASE_DIR)
env.exit_on_mistakes()

# FERNET_KEYS are turned into Fernet keys with HKDF, so that longer ones are used whole.
FERNET_USE_HKDF = True

# --- Applications

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before django.contrib.admin, whose templates it replaces
    "health",
    "credentials",
    "project",
    "polymorphic",
    "project.apps.LanyardAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "project.middleware.answer_watchers",
    "csp.middleware.CSPMiddleware",
    "project.middleware.refuse_unreadable",  # before anything that looks at the path
    "project.console.refusing.refuse_secrets",  # before anything that could keep the address
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "project.middleware.act_as_user",
    "project.middleware.keep_out_of_caches",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
USE_TZ = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.context.provider_simulator",
            ],
        },
    }
]

# Widgets find their templates where pages do.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database

if database["ENGINE"] == "django.db.backends.sqlite3":
    # Writers wait for each other instead of failing with "database is locked": web, worker and commands
    # write at the same time.
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "factory": sqlite.PrivateConnection,
        **database.get("OPTIONS", {}),
    }
else:
    # The pool replaces CONN_MAX_AGE, which must stay 0 beside it. A server that is down is said in seconds.
    database["OPTIONS"] = {
        "connect_timeout": 3,
        **database.get("OPTIONS", {}),
        "pool": {"min_size": 1, "max_size": 16, "timeout": 3},
    }
    database["CONN_MAX_AGE"] = 0
    database["CONN_HEALTH_CHECKS"] = True

DATABASES = {"default": database}

# --- Mail

# Whether there is a server to hand mail to. Without one nothing is sent, and the pages say so.
MAIL_SERVER = bool(mail)
EMAIL_BACKEND = mail.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_HOST, EMAIL_PORT = mail.get("EMAIL_HOST", ""), mail.get("EMAIL_PORT", 25)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = mail.get("EMAIL_HOST_USER", ""), mail.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS, EMAIL_USE_SSL = mail.get("EMAIL_USE_TLS", False), mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM") or "lanyard@localhost"

# --- Signing in, sessions and cookies

AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
# In the session, not in a cookie: messages name credentials.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

if HTTPS:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # The proxy in front must set this header itself, whatever the client sends.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    CSRF_TRUSTED_ORIGINS = [
        f"https://*{host}" if host.startswith(".") else f"https://{host}" for host in ALLOWED_HOSTS
    ]

# Those who watch ask past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|metrics)$"]

# --- Headers and requests

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Unfold needs 'unsafe-eval' (Alpine evaluates strings) and inline styles. Pages without it set a stricter
# policy of their own with csp.decorators.csp_replace.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# No file that comes in is written to a disk in clear.
FILE_UPLOAD_HANDLERS = ["credentials.console.in_memory.InMemory"]

# --- Static files

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Files that stand in for the theme's: fonts that need not be loaded.
STATICFILES_DIRS = [BASE_DIR / "project" / "theme"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Errors and logs: never with what a person typed

DEFAULT_EXCEPTION_REPORTER = "project.errors.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.errors.ReporterFilter"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "project.errors.OneLineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "filters": {
        "senders_fault": {"()": "project.errors.SendersFault"},
        "no_query": {"()": "project.errors.NoQuery"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["senders_fault", "no_query"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Django gives these two handlers of their own.
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
