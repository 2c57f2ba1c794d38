"""A Django project that sells things; its tests are run by tests/transactional/test_django_app.py."""
