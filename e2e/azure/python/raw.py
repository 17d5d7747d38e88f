"""Plain HTTP: what no client sends, or does by itself, and what the wire says word for word."""

import base64
import hashlib
import os
import uuid

from lab import *

case = Case("raw")
bearer = token()
host = url(MAIN)
text = lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
secret = text(bytes(range(32)))


def good(reply, status=200):
    if reply.status_code != status:
        raise AssertionError(f"{reply.status_code} {reply.text}")
    return reply.json() if reply.content else None


def make(name, vault=MAIN, **body):
    return good(ask("POST", url(vault, f"/keys/{name}/create"), bearer, {"kty": "RSA", **body}))


def use(name, what, body):
    return ask("POST", f"{host}/keys/{name}/{what}", bearer, body)


def opened(what, back):
    for algorithm in ("RSA-OAEP-256", "RSA-OAEP", "RSA1_5"):
        closed = good(use("raw", what, {"alg": algorithm, "value": secret}))
        same(sorted(closed), ["kid", "value"])
        same(good(use("raw", back, {"alg": algorithm, "value": closed["value"]}))["value"], secret)


def verified():
    digest = text(hashlib.sha256(b"paper").digest())
    made = good(use("raw", "sign", {"alg": "PS256", "value": digest}))["value"]
    same(good(use("raw", "verify", {"alg": "PS256", "digest": digest, "value": made})), {"value": True})
    other = text(hashlib.sha256(b"other").digest())
    same(good(use("raw", "verify", {"alg": "PS256", "digest": other, "value": made})), {"value": False})


def shape():
    key = make("raw")
    same(sorted(key), ["attributes", "key"])
    same(sorted(key["key"]), ["e", "key_ops", "kid", "kty", "n"])
    wanted = ["created", "enabled", "exportable", "hsmPlatform", "key_size", "recoverableDays", "recoveryLevel", "updated"]
    same(sorted(key["attributes"]), wanted)


def no_token():
    reply = ask("POST", f"{host}/keys/raw/create")
    refused(reply, 401, "Unauthorized", None, "AKV10000: Request is missing a Bearer or PoP token.")
    wanted = f'Bearer authorization="{LOGIN}/{TENANT}", resource="{VAULT}"'
    same(reply.headers["WWW-Authenticate"], wanted)


def headers():
    mine = str(uuid.uuid4())
    reply = http.get(f"{host}/keys/raw", params={"api%2Dversion": API, "api-version": API},
                     headers={"Authorization": f"Bearer {bearer}", "x-ms-client-request-id": mine})
    good(reply)
    same(reply.headers["x-ms-client-request-id"], mine)
    for name in ("x-ms-request-id", "x-ms-keyvault-rbac-assignment-id"):
        same(name in reply.headers, True)


def paths():
    good(http.get(f"{host}//keys//raw/?api%2Dversion={API}", headers={"Authorization": f"Bearer {bearer}"}))


def versions():
    for api in ("7.0", "7.4", "7.6", "7.6-preview.2", "2025-07-01", "2025-06-01-preview"):
        good(ask("GET", f"{host}/keys/raw", bearer, api=api))
    for api in (None, "1.0", "never"):
        same(ask("GET", f"{host}/keys/raw", bearer, api=api).status_code, 400)


def wrong_audience():
    refused(ask("GET", f"{host}/keys", token(MANAGEMENT)), 401, "Unauthorized", None, "AKV10022: Invalid audience.")


def forged():
    head, body, _ = bearer.split(".")
    none = text(b'{"alg":"none","typ":"JWT"}')
    for one in (f"{none}.{body}.", f"{head}.{body}.{'A' * 342}", "nothing"):
        same(ask("GET", f"{host}/keys", one).status_code, 401)


def secrets():
    for form, status, error, number in (
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 400, "invalid_client", 7000216),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"client_id": str(uuid.uuid4())}, 400, "unauthorized_client", 700016),
    ):
        reply = sign_in(**{"scope": f"{VAULT}/.default", **form})
        same((reply.status_code, reply.json()["error"], reply.json()["error_codes"]), (status, error, [number]))


def bodies():
    for body in (b"{", b'{"kty":"RSA","kty":"EC"}', b"[]"):
        reply = http.post(f"{host}/keys/raw-bad/create", params={"api-version": API}, data=body,
                          headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"})
        refused(reply, 400, "BadParameter")
    big = http.post(f"{host}/keys/raw-bad/create", params={"api-version": API}, data=b" " * 100_000,
                    headers={"Authorization": f"Bearer {bearer}"})
    same(big.status_code, 413)
    refused(ask("GET", f"{host}/keys/raw-bad", bearer), 404, "KeyNotFound")


def tampered():
    make("raw-kept")
    value = good(ask("POST", f"{host}/keys/raw-kept/backup", bearer))["value"]
    changed = value[:-8] + ("A" if value[-8] != "A" else "B") + value[-7:]
    refused(ask("POST", url(SIBLING, "/keys/restore"), bearer, {"value": changed}), 400, "BadParameter")
    good(ask("POST", url(SIBLING, "/keys/restore"), bearer, {"value": value}))


def retention():
    """Ninety days later the deleted key is gone by itself, from under purge protection too; so are our tokens."""
    global bearer
    make("raw-gone", PROTECTED)
    level = good(ask("GET", url(PROTECTED, "/keys/raw-gone"), bearer))["attributes"]["recoveryLevel"]
    same(level, "Recoverable")
    good(ask("POST", MANAGEMENT + f"/subscriptions/{SUBSCRIPTIONS[0]}/providers/Microsoft.Features/providers/"
             "Microsoft.Resources/features/MandatoryRetentionPeriodEnabled/register", token(MANAGEMENT), api="2021-07-01"))
    control(f"/subscriptions/{SUBSCRIPTIONS[0]}/registered", None)
    level = good(ask("GET", url(PROTECTED, "/keys/raw-gone"), bearer))["attributes"]["recoveryLevel"]
    same(level, "Recoverable+ProtectedSubscription")
    good(ask("DELETE", url(PROTECTED, "/keys/raw-gone"), bearer))
    control("/clock", {"advance": "PT2H"})
    refused(ask("GET", f"{host}/keys", bearer), 401, "Unauthorized", None, "[TokenExpired]")
    control("/clock", {"advance": "P91D"})
    bearer = token()
    refused(ask("GET", url(PROTECTED, "/deletedkeys/raw-gone"), bearer), 404, "KeyNotFound")


for claims, check in (
    ("create", shape),
    ("wrap unwrap", lambda: opened("wrapkey", "unwrapkey")),
    ("encrypt decrypt", lambda: opened("encrypt", "decrypt")),
    ("sign verify", verified),
    ("no-token", no_token),
    ("request-ids", headers),
    ("empty-segments", paths),
    ("api-versions", versions),
    ("wrong-audience", wrong_audience),
    ("forged-token", forged),
    ("token-errors", secrets),
    ("bad-parameter body-too-large", bodies),
    ("tampered-backup", tampered),
    ("expired-token scheduled-purge protected-subscription", retention),
):
    case.run(claims, check)
