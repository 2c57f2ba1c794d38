"""The oauth object: what a grant needs, what presets know, and which errors name which field."""

from typing import Any

import pytest

from mailsvc.oauth.grant import OAuth, check_oauth, check_oauth_target, endpoints_of

OWN = {"token_url": "https://login.example.test/token", "client_id": "id", "refresh_token": "r"}
MACHINE = {"grant": "client_credentials", "client_id": "id", "client_secret": "s"}
MICROSOFT = {"preset": "microsoft", "client_id": "id", "refresh_token": "r"}


def wrong(given: dict[str, Any]) -> list[str]:
    return [error.field.removeprefix("oauth.") for error in check_oauth(OAuth(**given))]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"access_token": "ya29.token"},
        OWN,
        {**OWN, "client_secret": "s", "scope": "mail offline"},
        {**OWN, "token_url": "http://127.0.0.1:8080/token"},
        {**OWN, "token_url": "http://localhost/token"},
        {**OWN, "token_url": "http://[::1]/token"},
        {"preset": "google", "client_id": "id", "client_secret": "s", "refresh_token": "r"},
        MICROSOFT,
        {**MICROSOFT, "tenant": "contoso.onmicrosoft.com"},
        {**MACHINE, "preset": "microsoft", "tenant": "8a1c6f0e-0000-4000-8000-000000000000"},
        {**MACHINE, "token_url": "https://login.example.test/token"},
    ],
)
def test_what_a_grant_needs_is_enough(given: dict[str, Any]) -> None:
    assert wrong(given) == []


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"preset": "google"}, ["client_id", "refresh_token"]),
        ({"client_id": "id", "refresh_token": "r"}, ["token_url"]),
        ({"grant": "client_credentials", "preset": "microsoft"}, ["client_id", "client_secret", "tenant"]),
        ({**MACHINE, "preset": "microsoft"}, ["tenant"]),
        ({**MACHINE, "preset": "microsoft", "tenant": "common"}, ["tenant"]),
        ({**MACHINE, "preset": "google"}, ["grant"]),
        ({**OWN, "tenant": "contoso.test"}, ["tenant"]),
        ({**MICROSOFT, "tenant": "a/b"}, ["tenant"]),
        ({**OWN, "token_url": "http://login.example.test/token"}, ["token_url"]),
        ({**OWN, "token_url": "ftp://login.example.test"}, ["token_url"]),
        ({**OWN, "token_url": "https://user:pw@login.example.test/"}, ["token_url"]),
        ({**OWN, "token_url": "https://[::1/"}, ["token_url"]),
        ({**OWN, "token_url": ""}, ["token_url"]),
        ({**OWN, "client_id": ""}, ["client_id"]),
        ({**OWN, "client_secret": "a\nb"}, ["client_secret"]),
        ({**OWN, "refresh_token": "********"}, ["refresh_token"]),
        ({**OWN, "refresh_token": "r" * 9000}, ["refresh_token"]),
        ({"access_token": "a b"}, ["access_token"]),
        ({"access_token": "a\x01b"}, ["access_token"]),
        ({**OWN, "access_token": "t"}, ["access_token"]),
    ],
)
def test_an_error_names_its_field_once(given: dict[str, Any], fields: list[str]) -> None:
    assert wrong(given) == fields


def test_presets_know_endpoints_and_scopes() -> None:
    google = endpoints_of(OAuth(preset="google", client_id="id"), "smtp")
    microsoft = [
        endpoints_of(OAuth(preset="microsoft", tenant="t.test"), service) for service in ("smtp", "imap", "pop3")
    ]
    machine = endpoints_of(OAuth(preset="microsoft", tenant="t.test", grant="client_credentials"), "imap")

    assert (google.token_url, google.scope) == ("https://oauth2.googleapis.com/token", "https://mail.google.com/")
    assert {found.token_url for found in microsoft} == {"https://login.microsoftonline.com/t.test/oauth2/v2.0/token"}
    assert [found.scope.split()[0].rpartition("/")[2] for found in microsoft if found.scope] == [
        "SMTP.Send",
        "IMAP.AccessAsUser.All",
        "POP.AccessAsUser.All",
    ]
    assert machine.scope == "https://outlook.office365.com/.default"
    assert endpoints_of(OAuth(preset="microsoft"), "smtp").token_url.startswith(
        "https://login.microsoftonline.com/common/"
    )


def test_what_is_given_is_stronger_than_the_preset() -> None:
    own = endpoints_of(OAuth(preset="google", token_url="https://proxy.test/token", scope="mine"), "smtp")

    assert (own.token_url, own.scope) == ("https://proxy.test/token", "mine")


def test_a_token_url_inside_is_refused_where_targets_are_public() -> None:
    inside = OAuth(token_url="https://10.0.0.1/token")
    error = check_oauth_target(inside, "public")

    assert error is not None and (error.field, "MAILSVC_RELAY_TARGETS" in error.detail) == ("oauth.token_url", True)
    assert check_oauth_target(inside, "any") is None
    assert check_oauth_target(OAuth(token_url="https://login.example.test/"), "public") is None


def test_no_secret_is_in_the_repr() -> None:
    assert "s3cret" not in repr(OAuth(client_secret="s3cret", refresh_token="s3cret", access_token="s3cret"))
