#!/usr/bin/env python3
"""Checks every file in this folder with a second implementation, written from spec/ alone. It never writes.

Needs Python 3 and the package `cryptography` (any version with AESGCM). The Rust code checks the same files in
`cargo test known_answer -p freehold-crypto -p freehold-vault -p freehold-workloads`.
"""
import base64
import hashlib
import hmac
import json
import pathlib
import sys
import uuid

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 16384
LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"


def unhex(text):
    return bytes.fromhex(text)


def pattern(length):
    """The plaintext of the vectors: byte i is i mod 251."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), "sha512")
        out, count = out + block, count + 1
    return out[:length]


def hkdf(salt, key, info, length=32):
    return expand(hmac.digest(salt, key, "sha512"), info, length)


# The sealed format: spec/sealed-format.md


def derive(key, salt, context):
    okm = expand(key, LABEL + salt + context, 76)
    return okm[:32], okm[32:44], okm[44:]


def nonce(base, index):
    return (int.from_bytes(base, "big") ^ index).to_bytes(12, "big")


def seal(key, salt, context, plain):
    aead_key, base, commitment = derive(key, salt, context)
    aead = AESGCM(aead_key)
    chunks = [plain[at : at + CHUNK] for at in range(0, len(plain) + 1, CHUNK)]
    sealed = [aead.encrypt(nonce(base, i), chunk, None) for i, chunk in enumerate(chunks)]
    return salt + commitment + b"".join(sealed)


def open_message(key, context, message):
    """The content, or the word for what is wrong."""
    if len(message) < 72 or (len(message) - 56) % (CHUNK + 16) < 16:
        return "length"
    aead_key, base, commitment = derive(key, message[:24], context)
    if not hmac.compare_digest(commitment, message[24:56]):
        return "header"
    out = b""
    for i, at in enumerate(range(56, len(message), CHUNK + 16)):
        try:
            out += AESGCM(aead_key).decrypt(nonce(base, i), message[at : at + CHUNK + 16], None)
        except InvalidTag:
            return f"chunk {i}"
    return out


# Contexts and derivations: spec/keys.md


def fields(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def dep_fields(dep):
    return [unhex(dep["tenant"]), unhex(dep["dep"]), dep["generation"].to_bytes(4, "big")]


def container_fields(container):
    return [unhex(container["tenant"]), unhex(container["container"]), container["generation"].to_bytes(4, "big")]


def part_fields(part):
    which = [b"\0"] if part["part"] == "metadata" else [b"\1", part["part"].to_bytes(8, "big")]
    return container_fields(part["container"]) + [unhex(part["object"])] + which


def context(purpose, place):
    name = f"freehold/v1/{purpose}".encode()
    if purpose == "container-under-dep":
        return fields(name, *container_fields(place["container"]), *dep_fields(place["dep"]))
    if purpose == "container-under-volume":
        return fields(name, *container_fields(place["container"]))
    if purpose in ("dek", "content"):
        return fields(name, *part_fields(place))
    if purpose in ("dep-key", "dep-commitment", "wrap-set-mac"):
        return fields(name, *dep_fields(place))
    if purpose == "lookup":
        return fields(name, place["use"].encode())
    if purpose == "vault-backup":
        return fields(name, place["subscription"].encode(), place["geography"].encode())
    assert purpose == "vault-key", purpose
    return fields(name, place["vault"].encode(), place["name"].encode(), unhex(place["version"]))


def from_seed(seed, purpose, place):
    return hkdf(b"freehold/v1/seed", seed, context(purpose, place))


# The wrap set: spec/wrap-set.md


def short(part):
    return len(part).to_bytes(2, "big") + part


def wrap_set_body(case, commitment):
    out = b"FHWRAPS\0" + (1).to_bytes(2, "big") + b"".join(dep_fields(case["place"])) + short(case["preset"].encode())
    out += bytes([len(case["slots"])])
    for slot in case["slots"]:
        directory = b"\0" if slot["directory"] is None else b"\1" + unhex(slot["directory"])
        out += short(slot["key_identifier"].encode()) + directory + short(unhex(slot["wrapped"]))
    return out + commitment


def mac(seed, place, body):
    return hmac.digest(from_seed(seed, "wrap-set-mac", place), body, "sha256")


def wrap_set(case):
    seed = unhex(case["seed"])
    body = wrap_set_body(case, from_seed(seed, "dep-commitment", case["place"]))
    whole = body + mac(seed, case["place"], body)
    return whole + hashlib.sha256(whole).digest()


def verdict(stored, seed, place):
    """What a reader says of stored bytes, a seed that a vault gave, and the place where the bytes were found."""
    whole, checksum = stored[:-32], stored[-32:]
    if hashlib.sha256(whole).digest() != checksum:
        return "damaged"
    body, stored_mac = whole[:-32], whole[-32:]
    commitment = from_seed(seed, "dep-commitment", place)
    if body[10:46] != b"".join(dep_fields(place)):
        return "damaged"
    committed = body[-32:] == commitment
    authentic = mac(seed, place, body) == stored_mac
    if committed and authentic:
        return "opens"
    if committed or authentic or mac(seed, place, body[:-32] + commitment) == stored_mac:
        return "damaged"
    return "lying"


# Objects: spec/objects.md

BLOB = 8 << 20


def short_and_long(wrapped, message):
    return short(wrapped) + len(message).to_bytes(4, "big") + message


def digest(content):
    pieces = [hashlib.sha256(content[at : at + BLOB]).digest() for at in range(0, max(len(content), 1), BLOB)]
    return pieces[0] if len(pieces) == 1 else hashlib.sha256(b"".join(pieces)).digest()


def tag(container_key, use, content):
    return hmac.digest(expand(container_key, context("lookup", {"use": use}), 32), content, "sha256").hex()


def import_tag(container_key, path, size, content_digest):
    path = path.encode()
    return tag(container_key, "import", len(path).to_bytes(4, "big") + path + size.to_bytes(8, "big") + content_digest)


def blob_part(attempt, number):
    return int(attempt, 16) << 16 | number


def seal_part(container_key, container, object_id, part, parts, content):
    """The wrapped DEK and the message of one part; `parts` gives the DEK and the salts."""
    place = {"container": container, "object": object_id.replace("-", ""), "part": part}
    dek = unhex(parts["dek"])
    wrapped = seal(container_key, unhex(parts["dek_salt"]), context("dek", place), dek)
    return wrapped, seal(dek, unhex(parts["salt"]), context("content", place), content)


# The files. Each function gives pairs of (what, expected, found).


def sealed_format(file):
    for case in file["cases"]:
        key, salt, place = unhex(case["key"]), unhex(case["salt"]), unhex(case["context"])
        plain = pattern(case["plaintext_len"])
        aead_key, base, commitment = derive(key, salt, place)
        message = seal(key, salt, place, plain)
        yield case["name"], case["aead_key"], aead_key.hex()
        yield case["name"], case["base_nonce"], base.hex()
        yield case["name"], case["commitment"], commitment.hex()
        yield case["name"], case["message_len"], len(message)
        yield case["name"], case["message_sha256"], hashlib.sha256(message).hexdigest()
        if case["message"] is not None:
            yield case["name"], case["message"], message.hex()
        yield case["name"], plain, open_message(key, place, message)
    for case in file["refused"]:
        found = open_message(unhex(case["key"]), unhex(case["context"]), unhex(case["message"]))
        yield case["name"], case["why"], found


def keys(file):
    for case in file["contexts"]:
        yield case["purpose"], case["context"], context(case["purpose"], case["place"]).hex()
    for case in file["from_seed"]:
        seed, place = unhex(case["seed"]), case["place"]
        yield "dep_key", case["dep_key"], from_seed(seed, "dep-key", place).hex()
        yield "commitment", case["commitment"], from_seed(seed, "dep-commitment", place).hex()
        yield "mac_key", case["wrap_set_mac_key"], from_seed(seed, "wrap-set-mac", place).hex()
    for case in file["lookups"]:
        key = expand(unhex(case["container_key"]), context("lookup", {"use": case["use"]}), 32)
        yield case["use"], case["tag"], hmac.digest(key, unhex(case["bytes"]), "sha256").hex()
    for case in file["wraps"]:
        place = context(case["purpose"], case["place"])
        found = seal(unhex(case["parent"]), unhex(case["salt"]), place, unhex(case["key"]))
        yield case["purpose"], case["wrapped"], found.hex()
    for case in file["parts"]:
        place, dek = case["place"], unhex(case["dek"])
        wrapped = seal(unhex(case["container_key"]), unhex(case["dek_salt"]), context("dek", place), dek)
        message = seal(dek, unhex(case["message_salt"]), context("content", place), unhex(case["content"]))
        yield case["name"], case["wrapped_dek"], wrapped.hex()
        yield case["name"], case["message"], message.hex()
    for case in file["private_keys"]:
        place = context("vault-key", case["place"])
        found = seal(unhex(case["master_key"]), unhex(case["salt"]), place, unhex(case["pkcs8"]))
        yield "private key", case["wrapped"], found.hex()


CURVES = {
    "P-256": (ec.SECP256R1, hashes.SHA256(), 32),
    "P-256K": (ec.SECP256K1, hashes.SHA256(), 32),
    "P-384": (ec.SECP384R1, hashes.SHA384(), 48),
    "P-521": (ec.SECP521R1, hashes.SHA512(), 66),
}


def signed(key, digest, signature, hashed):
    half = len(signature) // 2
    numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    try:
        key.verify(utils.encode_dss_signature(*numbers), digest, ec.ECDSA(utils.Prehashed(hashed)))
    except InvalidSignature:
        return False
    return True


def curve_keys(file):
    for case in file["private_keys"]:
        curve, hashed, width = CURVES[case["curve"]]
        key = serialization.load_der_private_key(unhex(case["pkcs8"]), None)
        point = key.public_key().public_numbers()
        yield case["curve"], curve, type(key.curve)
        yield case["curve"], case["d"], key.private_numbers().private_value.to_bytes(width, "big").hex()
        yield case["curve"], case["x"], point.x.to_bytes(width, "big").hex()
        yield case["curve"], case["y"], point.y.to_bytes(width, "big").hex()
        place = context("vault-key", case["place"])
        found = seal(unhex(case["master_key"]), unhex(case["salt"]), place, unhex(case["pkcs8"]))
        yield case["curve"], case["wrapped"], found.hex()
        signature = unhex(case["signature"])
        yield case["curve"], 2 * width, len(signature)
        yield case["curve"], True, signed(key.public_key(), unhex(case["digest"]), signature, hashed)


def wrap_sets(file):
    for case in file["sets"]:
        found = wrap_set(case)
        yield case["name"], case["bytes"], found.hex()
        yield case["name"], case["commitment"], from_seed(unhex(case["seed"]), "dep-commitment", case["place"]).hex()
        yield case["name"], case["mac"], found[-64:-32].hex()
    for case in file["verdicts"]:
        yield case["name"], case["verdict"], verdict(unhex(case["bytes"]), unhex(case["seed"]), case["place"])


def lifecycle(file):
    seed, place = unhex(file["seed"]), file["place"]
    for step in file["steps"]:
        name = step["step"]
        case = {"place": place, "preset": step["preset"], "slots": step["slots"], "seed": file["seed"]}
        yield name, step["wrap_set"], wrap_set(case).hex()
        yield name, step["commitment"], from_seed(seed, "dep-commitment", place).hex()
        yield name, step["dep_key"], from_seed(seed, "dep-key", place).hex()
        for purpose, found_at in file["places"].items():
            yield name, step["contexts"][purpose], context(purpose, found_at).hex()
        under = context("container-under-dep", file["places"]["container-under-dep"])
        container_key = open_message(unhex(step["dep_key"]), under, unhex(file["wrapped_container_key"]))
        dek = open_message(container_key, context("dek", file["places"]["dek"]), unhex(file["wrapped_dek"]))
        content = open_message(dek, context("content", file["places"]["content"]), unhex(file["message"]))
        yield name, unhex(file["content"]), content
        yield name, file["steps"][0]["contexts"], step["contexts"]
        yield name, file["steps"][0]["dep_key"], step["dep_key"]


def objects(file):
    container, key = file["container"], unhex(file["container_key"])
    place = {"container": container}
    wrapped = seal(unhex(file["volume_key"]), unhex(file["salt"]), context("container-under-volume", place), key)
    yield "container key", file["wrapped_container_key"], wrapped.hex()
    for case in file["names"]:
        yield case["name"], case["tag"], tag(key, "name", case["name"].encode())
    for case in file["imports"]:
        found = digest(pattern(case["size"]))
        yield case["path"], case["digest"], found.hex()
        yield case["path"], case["tag"], import_tag(key, case["path"], case["size"], found)
    for case in file["rows"]:
        row, object_id = case["row"], case["object"]
        details = json.dumps(case["details"], ensure_ascii=False, separators=(",", ":")).encode()
        parts = [short_and_long(*seal_part(key, container, object_id, "metadata", case["sealed_details"], details))]
        if row["blobs"] == 0:
            part, content = blob_part(row["attempt"], 0), unhex(case["content"])
            parts.append(short_and_long(*seal_part(key, container, object_id, part, case["sealed_content"], content)))
        yield case["name"], case["payload"], (bytes([3 - len(parts)]) + b"".join(parts)).hex()
        yield case["name"], row["name_tag"], tag(key, "name", case["details"]["name"].encode())
        for field in ("v", "kind", "version", "size", "created", "changed", "attempt"):
            yield case["name"], row[field], case["details"][field]
    for case in file["blobs"]:
        part = blob_part(case["attempt"], case["number"])
        wrapped, message = seal_part(key, container, case["object"], part, case["sealed"], unhex(case["content"]))
        name = case["object"].replace("-", "") + case["attempt"] + f"{case['number']:04x}"
        tenant, holder = (str(uuid.UUID(container[field])) for field in ("tenant", "container"))
        yield "blob", case["file"], (short(wrapped) + message).hex()
        yield "blob", case["name"], f"{tenant}/{holder}/{name}"


def key_backup(file):
    place, plain = file["place"], file["contents"].encode()
    head = [b"freehold-vault-key-backup", place["subscription"].encode(), place["geography"].encode()]
    magic, subscription, geography = (bytes([len(text)]) + text for text in head)
    where = context("vault-backup", place)
    sealed = seal(unhex(file["master_key"]), unhex(file["salt"]), where, plain)
    yield "context", file["context"], where.hex()
    yield "backup", file["backup"], (magic + b"\1" + subscription + geography + sealed).hex()
    contents = json.loads(plain)
    kept = contents["versions"][0]
    key_place = {"vault": contents["vault"], "name": contents["name"].lower(), "version": kept["version"]}
    private = base64.urlsafe_b64decode(kept["sealed"] + "=" * (-len(kept["sealed"]) % 4))
    opened = open_message(unhex(file["master_key"]), context("vault-key", key_place), private)
    yield "private half", file["pkcs8"], opened.hex()


FILES = {
    "sealed-format.json": sealed_format,
    "keys.json": keys,
    "curve-keys.json": curve_keys,
    "wrap-set.json": wrap_sets,
    "revocation-leaves-contexts.json": lifecycle,
    "objects.json": objects,
    "key-backup.json": key_backup,
}


def main():
    here, wrong, ran = pathlib.Path(__file__).parent, 0, 0
    for name, check in FILES.items():
        for what, expected, found in check(json.loads((here / name).read_text())):
            ran += 1
            if expected != found:
                wrong += 1
                print(f"{name}: {what}: expected {expected!r}, found {found!r}")
    print(f"{ran} answers, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
