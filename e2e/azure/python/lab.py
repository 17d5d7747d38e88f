"""What every Python script of this folder shares: the names of the lab, plain HTTP, and one line for each case."""

import json
import os
import sys
import traceback

import requests

TENANT = os.environ["AZURE_TENANT_ID"]
SUBSCRIPTIONS = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
GROUP = "e2e"
VAULT = "https://vault.azure.net"
MANAGEMENT = "https://management.azure.com"
LOGIN = "https://login.microsoftonline.com"
API = "2025-07-01"
MANAGEMENT_API = "2026-02-01"
OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"

# The house of the run; each client makes keys of its own in it. See world.py.
MAIN = "e2e-main"
BARE = "e2e-bare"
STANDARD = "e2e-standard"
PROTECTED = "e2e-protected"
SIBLING = "e2e-sibling"
AWAY = "e2e-away"
STRANGE = "e2e-strange"
POLICIES = "e2e-policies"
CLOSED = "e2e-closed"
PRIVATE = "e2e-private"
BUSY = "e2e-busy"

http = requests.Session()


def url(vault, path=""):
    return f"https://{vault}.vault.azure.net{path}"


class Case:
    """Runs cases of one client and tells each in one line."""

    def __init__(self, client):
        self.client = client

    def tell(self, claim, ok, detail=""):
        line = {"client": self.client, "claim": claim, "ok": ok, "detail": detail}
        # One write, so that the lines of clients that run at the same time never mix.
        os.write(1, (json.dumps(line) + "\n").encode())

    def run(self, claims, check):
        """A case witnesses the claims named, separated by blanks; it holds unless it raises."""
        detail = ""
        try:
            check()
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            traceback.print_exc(file=sys.stderr)
        for claim in claims.split():
            self.tell(claim, not detail, detail)

    async def run_async(self, claims, check):
        detail = ""
        try:
            await check()
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            traceback.print_exc(file=sys.stderr)
        for claim in claims.split():
            self.tell(claim, not detail, detail)


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


def token(resource=VAULT, **other):
    """A token of the lab's application, by its secret and with nothing but HTTP."""
    reply = sign_in(scope=f"{resource}/.default", **other)
    same(reply.status_code, 200)
    return reply.json()["access_token"]


def sign_in(tenant=TENANT, **form):
    fields = {
        "grant_type": "client_credentials",
        "client_id": os.environ["AZURE_CLIENT_ID"],
        "client_secret": os.environ["AZURE_CLIENT_SECRET"],
        **form,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    return http.post(f"{LOGIN}/{tenant}/oauth2/v2.0/token", data=fields)


def ask(method, address, bearer=None, body=None, api=API):
    """One plain request; the reply as it came."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    parameters = {"api-version": api} if api else {}
    return http.request(method, address, params=parameters, headers=headers, json=body)


def manage(method, path, bearer, body=None, api=MANAGEMENT_API):
    return ask(method, MANAGEMENT + path, bearer, body, api)


def refused(reply, status, code, inner=None, words=""):
    """The reply is this refusal of a vault or of the resource manager."""
    error = reply.json()["error"]
    found = (reply.status_code, error["code"], (error.get("innererror") or {}).get("code"))
    same(found, (status, code, inner))
    if words not in error["message"]:
        raise AssertionError(f"{words!r} is not in {error['message']!r}")


def control(path, body):
    """One call of the lab's control endpoint."""
    headers = {"Authorization": f"Bearer {os.environ['FREEHOLD_LAB_TOKEN']}"}
    # Plain HTTP on this machine: the proxy knows the names of Azure alone.
    reply = http.post(os.environ["FREEHOLD_LAB"] + path, json=body, headers=headers)
    same(reply.status_code // 100, 2)
    return reply
