"""The settings: an application and three lines are mailsvc's."""

from pathlib import Path

BASE_DIR = Path(__file__).parent.parent

INSTALLED_APPS = ["mailsvc.django", "shop"]
MAILSVC = {"DATABASE": "default", "DATA_DIR": BASE_DIR / "mail"}
EMAIL_BACKEND = "mailsvc_sdk.django.EmailBackend"  # send_mail: MAILSVC_URL and MAILSVC_API_KEY say where to
DEFAULT_FROM_EMAIL = "Shop <shop@app.test>"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "shop.db",
        # The service writes to the same file: wait for it from the beginning, and leave checkpoints to it.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA wal_autocheckpoint = 0"},
    }
}

DEBUG = True
SECRET_KEY = "only on this machine"
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
