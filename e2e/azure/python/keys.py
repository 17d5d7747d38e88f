"""Microsoft's Python clients, the plain and the asynchronous one, unchanged and with nothing switched off.

The client wraps, encrypts and verifies by itself with the public half, so those three are witnessed by others.
"""

import asyncio
import hashlib
import inspect
import sys
from datetime import datetime, timedelta, timezone

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import (
    ApiVersion,
    JsonWebKey,
    KeyCurveName,
    KeyRotationLifetimeAction,
    KeyRotationPolicy,
    KeyRotationPolicyAction,
)
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import *

flavour = sys.argv[1]
if flavour == "python-aio":
    from azure.identity.aio import DefaultAzureCredential
    from azure.keyvault.keys.aio import KeyClient
    from azure.keyvault.keys.crypto.aio import CryptographyClient
else:
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.keys import KeyClient
    from azure.keyvault.keys.crypto import CryptographyClient

case = Case(flavour)
credential = DefaultAzureCredential()
clients = []


def client(vault):
    made = KeyClient(url(vault), credential)
    clients.append(made)
    return made


def crypto(key):
    made = CryptographyClient(key, credential)
    clients.append(made)
    return made


main = client(MAIN)


def named(word):
    return f"{flavour}-{word}"


async def done(value):
    """What a call gives: at once, when awaited, or when its poller is through."""
    if inspect.isawaitable(value):
        value = await value
    if hasattr(value, "polling_method"):
        value.wait()
        return value.result()
    return value


async def all_of(pager):
    if hasattr(pager, "__aiter__"):
        return [item async for item in pager]
    return list(pager)


async def refusal(call, status, code, inner=None, words=""):
    """The call is refused, in these words."""
    try:
        await done(call())
    except HttpResponseError as error:
        found = error.error.innererror or {}
        found = found.get("code") if isinstance(found, dict) else getattr(found, "code", None)
        same((error.status_code, error.error.code, found), (status, code, inner))
        if words not in str(error.message):
            raise AssertionError(f"{words!r} is not in {error.message!r}") from error
        return error
    raise AssertionError("it was not refused")


async def create():
    for size in (2048, 3072, 4096):
        key = await done(main.create_rsa_key(named(f"rsa-{size}"), size=size, tags={"client": flavour}))
        same((key.key_type, len(key.key.n)), ("RSA", size // 8))
        same((key.properties.recovery_level, key.properties.tags), ("CustomizedRecoverable+Purgeable", {"client": flavour}))
    for curve, length in (("P-256", 32), ("P-256K", 32), ("P-384", 48), ("P-521", 66)):
        key = await done(main.create_ec_key(named(f"ec-{curve}"), curve=KeyCurveName(curve)))
        same((key.key.crv, len(key.key.x), key.key_operations), (curve, length, ["sign", "verify"]))
    key = await done(main.create_rsa_key(named("rsa-hsm"), hardware_protected=True))
    same((key.key_type, key.properties.hsm_platform), ("RSA-HSM", "0"))
    key = await done(main.create_ec_key(named("ec-hsm"), hardware_protected=True))
    same(key.key_type, "EC-HSM")


async def hsm_refused():
    standard = client(STANDARD)
    await refusal(lambda: standard.create_rsa_key("no", hardware_protected=True), 400, "BadParameter")


async def imported():
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()
    public = numbers.public_numbers

    def octets(number):
        # One zero in front, as some clients send it.
        return number.to_bytes((number.bit_length() + 7) // 8 + 1, "big")

    web = JsonWebKey(
        kty="RSA", n=octets(public.n), e=octets(public.e), d=octets(numbers.d), p=octets(numbers.p), q=octets(numbers.q),
        dp=octets(numbers.dmp1), dq=octets(numbers.dmq1), qi=octets(numbers.iqmp), key_ops=["sign", "verify"],
    )
    key = await done(main.import_key(named("imported"), web))
    same(int.from_bytes(key.key.n, "big"), public.n)
    digest = hashlib.sha256(b"paper").digest()
    signed = await done(crypto(key).sign(SignatureAlgorithm.rs256, digest))
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, utils

    padded, how = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    private.public_key().verify(signed.signature, digest, padded, how)


async def read():
    newest = await done(main.get_key(named("rsa-2048")))
    by_version = await done(main.get_key(named("rsa-2048"), newest.properties.version))
    same(by_version.id, newest.id)


async def versions():
    await done(main.create_rsa_key(named("many"), size=2048))
    await done(main.create_rsa_key(named("many"), size=2048))
    await done(main.create_rsa_key(named("many"), size=2048))
    found = await all_of(main.list_properties_of_key_versions(named("many"), max_page_size=2))
    same((len(found), len({item.version for item in found})), (3, 3))


async def listed():
    found = await all_of(main.list_properties_of_keys(max_page_size=3))
    mine = sorted(item.name for item in found if item.name.startswith(named("rsa-")))
    same(mine, sorted(named(f"rsa-{word}") for word in ("2048", "3072", "4096", "hsm")))


async def updated():
    ends = datetime(2090, 1, 1, tzinfo=timezone.utc)
    key = await done(main.update_key_properties(named("rsa-3072"), expires_on=ends, tags={"a": "b"}, key_operations=["wrapKey"]))
    same((key.properties.expires_on, key.properties.tags, key.key_operations), (ends, {"a": "b"}, ["wrapKey"]))


async def opened():
    key = await done(main.get_key(named("rsa-2048")))
    uses = crypto(key)
    for algorithm in (KeyWrapAlgorithm.rsa_oaep_256, KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa1_5):
        wrapped = await done(uses.wrap_key(algorithm, b"s" * 32))
        same((await done(uses.unwrap_key(algorithm, wrapped.encrypted_key))).key, b"s" * 32)
    for algorithm in (EncryptionAlgorithm.rsa_oaep_256, EncryptionAlgorithm.rsa_oaep, EncryptionAlgorithm.rsa1_5):
        closed = await done(uses.encrypt(algorithm, b"text"))
        same((await done(uses.decrypt(algorithm, closed.ciphertext))).plaintext, b"text")


async def signed():
    digests = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
    rsa_key = crypto(await done(main.get_key(named("rsa-2048"))))
    for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
        digest = digests[name[2:]](b"paper").digest()
        made = await done(rsa_key.sign(SignatureAlgorithm(name), digest))
        same((await done(rsa_key.verify(SignatureAlgorithm(name), digest, made.signature))).is_valid, True)
    for curve, name in (("P-256", "ES256"), ("P-256K", "ES256K"), ("P-384", "ES384"), ("P-521", "ES512")):
        uses = crypto(await done(main.get_key(named(f"ec-{curve}"))))
        digest = digests[name[2:5]](b"paper").digest()
        made = await done(uses.sign(SignatureAlgorithm(name), digest))
        same((await done(uses.verify(SignatureAlgorithm(name), digest, made.signature))).is_valid, True)


async def deleted():
    name = named("deleted")
    made = await done(main.create_rsa_key(name, size=2048))
    gone = await done((main.begin_delete_key if hasattr(main, "begin_delete_key") else main.delete_key)(name))
    same((gone.scheduled_purge_date - gone.deleted_date).days, 7)
    same((await done(main.get_deleted_key(name))).id, made.id)
    names = [item.name for item in await all_of(main.list_deleted_keys(max_page_size=2))]
    same(name in names, True)
    await refusal(lambda: main.create_rsa_key(name), 409, "Conflict", "ObjectIsDeletedButRecoverable", "currently in a deleted but recoverable state")
    back = main.begin_recover_deleted_key if hasattr(main, "begin_recover_deleted_key") else main.recover_deleted_key
    same((await done(back(name))).id, made.id)


async def backed_up():
    name = named("kept")
    key = await done(main.create_rsa_key(name, size=2048))
    wrapped = await done(crypto(key).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"s" * 32))
    backup = await done(main.backup_key(name))
    await refusal(lambda: main.restore_key_backup(backup), 409, "Conflict", None, "There was a conflict restoring the key")
    sibling = client(SIBLING)
    restored = await done(sibling.restore_key_backup(backup))
    same(restored.properties.version, key.properties.version)
    same((await done(crypto(restored).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key))).key, b"s" * 32)
    for vault in (AWAY, STRANGE):
        await refusal(lambda: client(vault).restore_key_backup(backup), 400, "BadParameter")


async def purged():
    name = named("purged")
    await done(main.create_ec_key(name))
    await done((main.begin_delete_key if hasattr(main, "begin_delete_key") else main.delete_key)(name))
    await done(main.purge_deleted_key(name))
    await refusal(lambda: main.get_deleted_key(name), 404, "KeyNotFound", None, "Deleted Key not found: ")


async def protected():
    vault = client(PROTECTED)
    name = named("held")
    key = await done(vault.create_ec_key(name))
    same(key.properties.recovery_level, "Recoverable")
    await done((vault.begin_delete_key if hasattr(vault, "begin_delete_key") else vault.delete_key)(name))
    await refusal(lambda: vault.purge_deleted_key(name), 403, "Forbidden", None, "purge protection is enabled")


async def rotated():
    name = named("rotated")
    first = await done(main.create_rsa_key(name, size=2048, tags={"a": "b"}))
    second = await done(main.rotate_key(name))
    same((second.properties.version != first.properties.version, second.properties.tags), (True, {"a": "b"}))
    default = await done(main.get_key_rotation_policy(name))
    same([(action.action, action.time_before_expiry) for action in default.lifetime_actions], [("Notify", "P30D")])
    rotate = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P90D")
    policy = KeyRotationPolicy(lifetime_actions=[rotate], expires_in="P2Y")
    await done(main.update_key_rotation_policy(name, policy))
    policy = await done(main.get_key_rotation_policy(name))
    same((policy.expires_in, sorted(action.action for action in policy.lifetime_actions)), ("P2Y", ["Notify", "Rotate"]))
    third = await done(main.rotate_key(name))
    same(700 < (third.properties.expires_on - third.properties.created_on).days < 732, True)


async def not_served():
    await refusal(lambda: main.release_key(named("rsa-2048"), "target"), 403, "Forbidden", "KeyOperationForbidden")


async def no_random():
    await refusal(lambda: main.get_random_bytes(8), 400, "BadParameter")


async def no_attestation():
    await refusal(lambda: main.get_key_attestation(named("rsa-2048")), 400, "BadParameter")


async def disabled():
    name = named("disabled")
    key = await done(main.create_rsa_key(name, size=2048, enabled=False))
    await refusal(lambda: main.get_key(name), 403, "Forbidden", "KeyDisabled", "is not allowed on a disabled key.")
    uses = crypto(key.id)
    await refusal(lambda: uses.sign(SignatureAlgorithm.rs256, bytes(32)), 403, "Forbidden", "KeyDisabled")


async def outside():
    now = datetime.now(timezone.utc)
    for name, times, inner in (
        ("early", {"not_before": now + timedelta(days=1)}, "KeyNotYetValid"),
        ("late", {"not_before": now - timedelta(days=2), "expires_on": now - timedelta(days=1)}, "KeyExpired"),
    ):
        await done(main.create_rsa_key(named(name), size=2048, **times))
        # By its id alone: with the key itself the client looks at the times before it asks.
        key = await done(main.get_key(named(name)))
        await refusal(lambda: main_sign(key.id), 403, "Forbidden", inner)
        n, e = int.from_bytes(key.key.n, "big"), int.from_bytes(key.key.e, "big")
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = rsa.RSAPublicNumbers(e, n).public_key().encrypt(b"s" * 32, oaep)
        opened = await done(crypto(key.id).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped))
        same(opened.key, b"s" * 32)


def main_sign(identifier):
    return crypto(identifier).sign(SignatureAlgorithm.rs256, bytes(32))


async def other_operation():
    key = await done(main.create_rsa_key(named("opens"), size=2048, key_operations=["unwrapKey"]))
    await refusal(lambda: main_sign(key.id), 403, "Forbidden", "KeyOperationForbidden", "Operation sign is not permitted on this key.")


async def missing():
    error = await refusal(lambda: main.get_key("nothing"), 404, "KeyNotFound", None, "A key with (name/id) nothing was not found")
    same(isinstance(error, ResourceNotFoundError), True)


async def no_right():
    await refusal(lambda: client(BARE).get_key("k"), 403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized")


async def no_policy():
    vault = client(POLICIES)
    key = await done(vault.create_rsa_key(named("k"), size=2048))
    await refusal(lambda: vault.backup_key(named("k")), 403, "Forbidden", "ForbiddenByPolicy", "does not have keys backup permission")
    same(key.name, named("k"))


async def firewall():
    await refusal(lambda: client(CLOSED).get_key("k"), 403, "Forbidden", "ForbiddenByFirewall")


async def private():
    await refusal(lambda: client(PRIVATE).get_key("k"), 403, "Forbidden", "ForbiddenByConnection")


async def bad():
    await refusal(lambda: main.create_rsa_key(named("bad"), size=1024), 400, "BadParameter")


async def run():
    for claims, check in (
        ("create", create),
        ("hsm-needs-premium", hsm_refused),
        ("import", imported),
        ("get", read),
        ("versions", versions),
        ("list", listed),
        ("update", updated),
        ("decrypt unwrap", opened),
        ("sign", signed),
        ("delete get-deleted list-deleted recover name-is-deleted", deleted),
        ("backup restore restore-conflict restore-elsewhere", backed_up),
        ("purge no-deleted-key", purged),
        ("purge-protected", protected),
        ("rotate rotation-policy-get rotation-policy-set", rotated),
        ("release", not_served),
        ("random", no_random),
        ("attestation", no_attestation),
        ("key-disabled", disabled),
        ("key-not-yet-valid key-expired expired-still-opens", outside),
        ("operation-not-permitted", other_operation),
        ("no-key", missing),
        ("no-role", no_right),
        ("no-policy", no_policy),
        ("firewall", firewall),
        ("public-access-off", private),
        ("bad-parameter", bad),
    ):
        await case.run_async(claims, check)
    for one in [*clients, credential]:
        await done(one.close())


asyncio.run(run())
