"""The shop's pages, and where the service posts its events."""

from django.urls import path

from mailsvc_sdk.django import webhook_view
from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("orders", views.order, name="order"),
    path("mail-events", webhook_view(views.note)),
]
