"""The Django project: durable SQLite, and post_office with the settings that made it fastest here."""

import os

SECRET_KEY = "bench"  # noqa: S105 - nothing is signed
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_DATABASE"],
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 60,
        },
    }
}
EMAIL_BACKEND = "post_office.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ["BENCH_SINK_PORT"])
EMAIL_HOST_USER = os.environ["BENCH_USERNAME"]
EMAIL_HOST_PASSWORD = os.environ["BENCH_PASSWORD"]
EMAIL_USE_TLS = True
POST_OFFICE = {
    "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
    "BATCH_SIZE": 1000,
    "THREADS_PER_PROCESS": 4,
    "LOG_LEVEL": 1,  # a row for each failure only
}
LOGGING = {
    "version": 1,
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"post_office": {"level": "WARNING", "handlers": ["none"]}},
}
