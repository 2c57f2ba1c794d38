"""API keys: shown once, limited in what they may do, from where and how long; nobody can lock themselves out."""

import json
import threading
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.api.keys import KeyObject
from mailsvc.store.tables import api_key
from tests.support.api import ApiHarness, Client

READER = {"name": "reader", "scopes": ["read"]}


@pytest.fixture
def admin(harness: ApiHarness) -> Client:
    """An admin of the first app."""
    return harness.create_app("first")


def make(client: Client, **form: Any) -> dict[str, Any]:
    answer = client.post("/keys", READER | form)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def holder(harness: ApiHarness, made: dict[str, Any]) -> Client:
    return Client(harness.flask.test_client(), made["app"], made["key"])


def own_id(client: Client) -> str:
    """The id of the only admin key."""
    return str(next(k["id"] for k in client.get("/keys").json["data"] if "admin" in k["scopes"]))


def later(harness: ApiHarness) -> str:
    return clock.rfc3339(harness.database.now() + clock.HOUR)


class TestMake:
    def test_the_key_is_shown_once(self, harness: ApiHarness, admin: Client) -> None:
        """Neither a list nor the table holds it afterwards."""
        made = make(admin, networks=["127.0.0.0/8", "::1"], expires_at=later(harness))
        key = made.pop("key")
        msgspec.convert(made, KeyObject, strict=True)
        with harness.database.read() as connection:
            kept = str(connection.execute(select(api_key)).all())

        assert key.startswith("mk_") and len(key) == 46
        assert made["networks"] == ["127.0.0.0/8", "::1/128"]
        assert admin.get(f"/keys/{made['id']}").json == made
        assert key not in json.dumps(admin.get("/keys").json) + kept

    def test_a_key_is_limited_to_its_scopes(self, harness: ApiHarness, admin: Client) -> None:
        """And nothing else."""
        reader = holder(harness, make(admin))

        assert reader.get("/messages").status_code == 200
        assert {reader.get("/keys").json["code"], reader.post("/keys", READER).json["code"]} == {"insufficient_scope"}

    def test_it_works_only_inside_its_networks(self, harness: ApiHarness, admin: Client) -> None:
        """403 names the network as the reason."""
        outside = holder(harness, make(admin, networks=["10.0.0.0/8"]))
        inside = holder(harness, make(admin, networks=["10.0.0.0/8", "127.0.0.1/32"]))

        assert outside.get("/messages").json["code"] == "network_not_allowed"
        assert inside.get("/messages").status_code == 200

    @pytest.mark.parametrize(
        ("form", "field"),
        [
            ({"name": ""}, "name"), ({"name": "x" * 101}, "name"), ({"name": "a\nb"}, "name"), ({"scopes": []}, "scopes"),
            ({"scopes": ["root"]}, "scopes.0"), ({"networks": ["10.0.0.1/8"]}, "networks.0"), ({"app": "nobody"}, "app"),
            ({"networks": ["10.0.0.0/8", "home"]}, "networks.1"), ({"networks": "10.0.0.0/8"}, "networks"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"), ({"expires_at": "2099-01-01"}, "expires_at"),
            ({"key": "mk_mine"}, "key"), ({"networks": ["10.0.0.0/8"] * 51}, "networks"),
        ],
    )  # fmt: skip
    def test_a_wrong_field_is_named(self, admin: Client, form: dict[str, Any], field: str) -> None:
        """422, and no key is made."""
        answer = admin.post("/keys", READER | form)

        assert answer.status_code == 422, answer.json
        assert answer.json["errors"][0]["field"].replace("...", "0") == field
        assert len(admin.get("/keys").json["data"]) == 1

    def test_a_network_with_host_bits_is_explained(self, admin: Client) -> None:
        """The detail says how a network is written."""
        detail = admin.post("/keys", READER | {"networks": ["10.0.0.1/8"]}).json["errors"][0]["detail"]

        assert "10.0.0.0/8" in detail


class TestApps:
    def test_the_first_app_makes_keys_for_others(self, harness: ApiHarness, admin: Client) -> None:
        """By id or by name; the key then belongs to that app alone."""
        bob = harness.create_app("bob")
        keys = [make(admin, app=app) for app in ("bob", bob.app_id)]

        assert [k["app"] for k in keys] == [bob.app_id] * 2
        assert bob.get(f"/keys/{keys[0]['id']}").status_code == 200
        assert admin.get(f"/keys/{keys[0]['id']}").status_code == 404

    def test_other_apps_cannot_make_keys_for_others(self, harness: ApiHarness, admin: Client) -> None:
        """403 whether the named app exists or not; naming oneself is nothing special."""
        bob = harness.create_app("bob")
        answers = [bob.post("/keys", READER | {"app": app}) for app in ("first", admin.app_id, "nobody")]

        assert {(a.status_code, a.json["code"]) for a in answers} == {(403, "insufficient_scope")}
        assert make(bob, app="bob")["app"] == make(bob, app=bob.app_id)["app"] == bob.app_id

    def test_keys_of_other_apps_are_not_found(self, harness: ApiHarness, admin: Client) -> None:
        """404 on every route, and the key goes on working."""
        bob = harness.create_app("bob")
        made = make(bob)
        path = f"/keys/{made['id']}"
        answers = [admin.get(path), admin.patch(path, {"name": "x"}), admin.delete(path)]

        assert {(a.status_code, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert made["id"] not in str(admin.get("/keys").json)
        assert holder(harness, made).get("/messages").status_code == 200


class TestChange:
    def test_fields_not_given_are_unchanged(self, harness: ApiHarness, admin: Client) -> None:
        """PATCH answers the whole object, without the key."""
        made = make(admin, networks=["127.0.0.0/8"], expires_at=later(harness))
        del made["key"]
        patched = admin.patch(f"/keys/{made['id']}", {"name": "writer", "scopes": ["send", "send"]}).json

        assert patched == made | {"name": "writer", "scopes": ["send"], "updated_at": patched["updated_at"]}
        assert admin.get(f"/keys/{made['id']}").json == patched

    def test_a_change_takes_effect_at_once(self, harness: ApiHarness, admin: Client) -> None:
        """A key that was used a moment ago has its new scopes at its next use."""
        made = make(admin)
        reader = holder(harness, made)
        before = reader.get("/messages").status_code
        admin.patch(f"/keys/{made['id']}", {"scopes": ["send"]})

        assert (before, reader.get("/messages").status_code) == (200, 403)

    def test_an_expiry_can_be_removed_and_a_past_one_is_kept(self, harness: ApiHarness, admin: Client) -> None:
        """An expired key can be renamed without giving it new life."""
        made = make(admin, expires_at=later(harness))
        with harness.database.write() as connection:
            connection.execute(update(api_key).where(api_key.c.id == made["id"]).values(expires_at=1))
        path = f"/keys/{made['id']}"

        assert admin.patch(path, {"name": "old"}).json["expires_at"] == clock.rfc3339(1)
        assert holder(harness, made).get("/messages").status_code == 401
        assert admin.patch(path, {"expires_at": None}).json["expires_at"] is None
        assert holder(harness, made).get("/messages").status_code == 200

    @pytest.mark.parametrize(
        "patch", [{"app": "x"}, {"scopes": []}, {"name": ""}, {"expires_at": "2020-01-01T00:00:00Z"}]
    )
    def test_a_wrong_change_changes_nothing(self, admin: Client, patch: dict[str, Any]) -> None:
        """A patch is taken whole or not at all."""
        made = make(admin)
        before = admin.get(f"/keys/{made['id']}").json

        assert admin.patch(f"/keys/{made['id']}", {"networks": ["10.0.0.0/8"]} | patch).status_code == 422
        assert admin.get(f"/keys/{made['id']}").json == before


class TestRevoke:
    def test_a_revoked_key_is_refused_at_once(self, harness: ApiHarness, admin: Client) -> None:
        """204, then 401 for its holder and 404 for its object."""
        made = make(admin)
        reader = holder(harness, made)
        before = reader.get("/messages").status_code
        answer = admin.delete(f"/keys/{made['id']}")

        assert (before, answer.status_code, answer.data) == (200, 204, b"")
        assert (reader.get("/messages").status_code, admin.delete(f"/keys/{made['id']}").status_code) == (401, 404)

    def test_the_last_admin_key_cannot_be_revoked(self, harness: ApiHarness, admin: Client) -> None:
        """Neither deleted nor made less; another app's admin or an expired key is no other one."""
        harness.create_app("bob")
        spare = make(admin, scopes=["admin"], expires_at=later(harness))
        with harness.database.write() as connection:
            connection.execute(update(api_key).where(api_key.c.id == spare["id"]).values(expires_at=1))
        path = f"/keys/{next(k['id'] for k in admin.get('/keys').json['data'] if k['id'] != spare['id'])}"
        answers = [admin.delete(path), admin.patch(path, {"scopes": ["read", "send"]})]

        assert [(a.status_code, a.json["code"]) for a in answers] == [(409, "conflict")] * 2
        assert admin.get(path).json["scopes"] == ["admin"]

    def test_an_admin_key_can_be_revoked_if_another_exists(self, harness: ApiHarness, admin: Client) -> None:
        """Keys can be rotated: make the new one, use it, revoke the old one."""
        old = own_id(admin)
        new = holder(harness, make(admin, scopes=["admin"]))

        assert new.delete(f"/keys/{old}").status_code == 204
        assert (admin.get("/keys").status_code, new.get("/keys").status_code) == (401, 200)

    def test_two_admins_revoking_each_other_leave_one_key(self, harness: ApiHarness, admin: Client) -> None:
        """However they meet, an admin key is left."""
        first = own_id(admin)
        made = make(admin, scopes=["admin"])
        other, barrier, codes = holder(harness, made), threading.Barrier(2), []

        def revoke(client: Client, id_: str) -> None:
            barrier.wait(10)
            codes.append(client.delete(f"/keys/{id_}").status_code)

        threads = [threading.Thread(target=revoke, args=pair) for pair in ((admin, made["id"]), (other, first))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        # The slower one is refused, or finds that its own key is no key any more.
        assert sorted(codes) in ([204, 409], [204, 401])


def test_pages_follow_one_another(admin: Client) -> None:
    """Newest first, revoked ones left out."""
    made = [make(admin, name=name)["id"] for name in "abc"]
    admin.delete(f"/keys/{made[1]}")
    first = admin.get("/keys?limit=1").json
    rest = admin.get(f"/keys?cursor={first['next_cursor']}").json

    assert [k["name"] for k in first["data"] + rest["data"]] == ["c", "a", "test"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "colour=red"])
def test_a_wrong_argument_is_refused(admin: Client, query: str) -> None:
    """A misspelt or impossible argument must not silently list everything."""
    answer = admin.get(f"/keys?{query}")

    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, query.partition("=")[0])
