"""Makes the vaults of the run and gives the lab's application its rights, with plain HTTP."""

import base64
import json
import uuid

from lab import *


def claims(bearer):
    body = bearer.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def vault(bearer, name, subscription=0, location="westeurope", sku="premium", days=90, **properties):
    scope = f"/subscriptions/{SUBSCRIPTIONS[subscription]}/resourceGroups/{GROUP}"
    scope += f"/providers/Microsoft.KeyVault/vaults/{name}"
    body = {
        "location": location,
        "properties": {
            "tenantId": TENANT,
            "sku": {"name": sku, "family": "A"},
            "accessPolicies": [],
            "enableRbacAuthorization": True,
            "softDeleteRetentionInDays": days,
            **properties,
        },
    }
    reply = manage("PUT", scope, bearer, body)
    if reply.status_code not in (200, 201):
        raise AssertionError(f"vault {name}: {reply.status_code} {reply.text}")
    return scope


def officer(bearer, scope, principal):
    role = f"/providers/Microsoft.Authorization/roleDefinitions/{OFFICER}"
    body = {
        "properties": {
            "roleDefinitionId": scope.split("/resourceGroups/")[0] + role,
            "principalId": principal,
            "principalType": "ServicePrincipal",
        }
    }
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    same(manage("PUT", path, bearer, body, "2022-04-01").status_code, 201)


def main():
    bearer = token(MANAGEMENT)
    me = claims(bearer)["oid"]
    for subscription in SUBSCRIPTIONS:
        path = f"/subscriptions/{subscription}"
        same(manage("POST", f"{path}/providers/Microsoft.KeyVault/register", bearer, api="2024-11-01").status_code, 200)
        reply = manage("PUT", f"{path}/resourcegroups/{GROUP}", bearer, {"location": "westeurope"}, "2024-11-01")
        same(reply.status_code, 201)
    open_vaults = [
        vault(bearer, MAIN, days=7),
        vault(bearer, STANDARD, sku="standard"),
        vault(bearer, PROTECTED, enablePurgeProtection=True),
        vault(bearer, SIBLING, location="northeurope"),
        vault(bearer, AWAY, location="eastus"),
        vault(bearer, STRANGE, subscription=1),
        vault(bearer, BUSY),
    ]
    for scope in open_vaults:
        officer(bearer, scope, me)
    vault(bearer, BARE)
    everything = ["get", "list", "create", "delete", "sign", "verify", "encrypt", "decrypt", "wrapKey"]
    policy = {"tenantId": TENANT, "objectId": me, "permissions": {"keys": everything}}
    vault(bearer, POLICIES, enableRbacAuthorization=False, accessPolicies=[policy])
    network = {"bypass": "None", "defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}
    officer(bearer, vault(bearer, CLOSED, networkAcls=network), me)
    officer(bearer, vault(bearer, PRIVATE, publicNetworkAccess="Disabled"), me)


main()
