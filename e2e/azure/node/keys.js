// Microsoft's Node client, unchanged and with nothing switched off.
import { createHash, generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";

// The packages lie below the target folder and not beside this file.
const require = createRequire(process.env.E2E_NODE);
const { DefaultAzureCredential } = require("@azure/identity");
const { CryptographyClient, KeyClient } = require("@azure/keyvault-keys");

const credential = new DefaultAzureCredential();
const url = (vault) => `https://${vault}.vault.azure.net`;
const client = (vault) => new KeyClient(url(vault), credential);
const crypto = (key) => new CryptographyClient(key, credential);
const main = client("e2e-main");
const digest = (length) => createHash(`sha${length}`).update("paper").digest();
const secret = Buffer.alloc(32, 7);

async function run(claims, check) {
  let detail = "";
  try {
    await check();
  } catch (error) {
    detail = String(error.message ?? error);
    console.error(error);
  }
  for (const claim of claims.split(" ")) {
    console.log(JSON.stringify({ client: "node", claim, ok: !detail, detail }));
  }
}

function same(found, wanted) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

// The call is refused in these words; the client shows code and message, and loses the inner code.
async function refusal(call, status, code, words = "") {
  try {
    await call();
  } catch (error) {
    same([error.statusCode, error.code], [status, code]);
    if (!error.message.includes(words)) throw new Error(`${words} is not in ${error.message}`);
    return;
  }
  throw new Error("it was not refused");
}

async function all(pager) {
  const found = [];
  for await (const item of pager) found.push(item);
  return found;
}

await run("create", async () => {
  for (const keySize of [2048, 3072, 4096]) {
    const key = await main.createRsaKey(`node-rsa-${keySize}`, { keySize, tags: { a: "b" } });
    same([key.keyType, key.key.n.length, key.properties.tags], ["RSA", keySize / 8, { a: "b" }]);
  }
  for (const [curve, length] of [["P-256", 32], ["P-256K", 32], ["P-384", 48], ["P-521", 66]]) {
    const key = await main.createEcKey(`node-ec-${curve}`, { curve });
    same([key.key.crv, key.key.x.length, key.keyOperations], [curve, length, ["sign", "verify"]]);
  }
  same((await main.createRsaKey("node-rsa-hsm", { hsm: true })).keyType, "RSA-HSM");
  same((await main.createEcKey("node-ec-hsm", { hsm: true })).keyType, "EC-HSM");
});
await run("hsm-needs-premium", () =>
  refusal(() => client("e2e-standard").createRsaKey("no", { hsm: true }), 400, "BadParameter"));
await run("import", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const web = privateKey.export({ format: "jwk" });
  const bytes = (name) => Buffer.from(web[name], "base64url");
  const parts = Object.fromEntries(["n", "e", "d", "p", "q", "dp", "dq", "qi"].map((name) => [name, bytes(name)]));
  const key = await main.importKey("node-imported", { kty: "RSA", keyOps: ["sign"], ...parts });
  same(Buffer.from(key.key.n).equals(bytes("n")), true);
});
await run("get", async () => {
  const newest = await main.getKey("node-rsa-2048");
  const one = await main.getKey("node-rsa-2048", { version: newest.properties.version });
  same(one.id, newest.id);
});
await run("versions", async () => {
  for (let made = 0; made < 3; made += 1) await main.createEcKey("node-many");
  const pages = main.listPropertiesOfKeyVersions("node-many").byPage({ maxPageSize: 2 });
  same((await all(pages)).flat().length, 3);
});
await run("list", async () => {
  const pages = main.listPropertiesOfKeys().byPage({ maxPageSize: 3 });
  const names = (await all(pages)).flat().map((key) => key.name);
  same(names.filter((name) => name.startsWith("node-rsa-")).length, 4);
});
await run("update", async () => {
  const expiresOn = new Date("2035-01-01T00:00:00Z");
  const changes = { expiresOn, tags: { c: "d" }, keyOps: ["wrapKey"] };
  const key = await main.updateKeyProperties("node-rsa-3072", changes);
  same([key.properties.expiresOn, key.properties.tags, key.keyOperations], [expiresOn, { c: "d" }, ["wrapKey"]]);
});
await run("wrap unwrap encrypt decrypt", async () => {
  // By its id: so the client has no public half and asks the vault for everything.
  const uses = crypto((await main.getKey("node-rsa-2048")).id);
  for (const algorithm of ["RSA-OAEP-256", "RSA-OAEP", "RSA1_5"]) {
    const wrapped = await uses.wrapKey(algorithm, secret);
    same(secret.equals((await uses.unwrapKey(algorithm, wrapped.result)).result), true);
    const closed = await uses.encrypt({ algorithm, plaintext: secret });
    same(secret.equals((await uses.decrypt({ algorithm, ciphertext: closed.result })).result), true);
  }
});
await run("sign verify", async () => {
  const named = [...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((name) => ["node-rsa-2048", name]),
    ["node-ec-P-256", "ES256"], ["node-ec-P-256K", "ES256K"], ["node-ec-P-384", "ES384"], ["node-ec-P-521", "ES512"]];
  for (const [key, algorithm] of named) {
    const uses = crypto((await main.getKey(key)).id);
    const value = digest(algorithm.slice(2, 5));
    const signed = await uses.sign(algorithm, value);
    same((await uses.verify(algorithm, value, signed.result)).result, true);
    const other = Buffer.from(value).reverse();
    same((await uses.verify(algorithm, other, signed.result)).result, false);
  }
});
await run("delete get-deleted list-deleted recover name-is-deleted", async () => {
  const made = await main.createEcKey("node-deleted");
  const gone = await (await main.beginDeleteKey("node-deleted", { intervalInMs: 50 })).pollUntilDone();
  same(gone.properties.scheduledPurgeDate - gone.properties.deletedOn, 7 * 86_400_000);
  same((await main.getDeletedKey("node-deleted")).id, made.id);
  const names = (await all(main.listDeletedKeys())).map((key) => key.name);
  same(names.includes("node-deleted"), true);
  await refusal(() => main.createEcKey("node-deleted"), 409, "Conflict", "currently in a deleted but recoverable state");
  const back = await (await main.beginRecoverDeletedKey("node-deleted", { intervalInMs: 50 })).pollUntilDone();
  same(back.id, made.id);
});
await run("backup restore restore-conflict restore-elsewhere", async () => {
  const key = await main.createRsaKey("node-kept");
  const wrapped = await crypto(key.id).wrapKey("RSA-OAEP-256", secret);
  const backup = await main.backupKey("node-kept");
  const restore = (vault) => client(vault).restoreKeyBackup(backup);
  await refusal(() => restore("e2e-main"), 409, "Conflict", "There was a conflict restoring the key");
  const restored = await restore("e2e-sibling");
  same(restored.properties.version, key.properties.version);
  same(secret.equals((await crypto(restored.id).unwrapKey("RSA-OAEP-256", wrapped.result)).result), true);
  await refusal(() => restore("e2e-away"), 400, "BadParameter");
  await refusal(() => restore("e2e-strange"), 400, "BadParameter");
});
await run("purge no-deleted-key", async () => {
  await main.createEcKey("node-purged");
  await (await main.beginDeleteKey("node-purged", { intervalInMs: 50 })).pollUntilDone();
  await main.purgeDeletedKey("node-purged");
  await refusal(() => main.getDeletedKey("node-purged"), 404, "KeyNotFound", "Deleted Key not found: ");
});
await run("purge-protected", async () => {
  const vault = client("e2e-protected");
  same((await vault.createEcKey("node-held")).properties.recoveryLevel, "Recoverable");
  await (await vault.beginDeleteKey("node-held", { intervalInMs: 50 })).pollUntilDone();
  await refusal(() => vault.purgeDeletedKey("node-held"), 403, "Forbidden", "purge protection is enabled");
});
await run("rotate rotation-policy-get rotation-policy-set", async () => {
  const first = await main.createEcKey("node-rotated");
  const second = await main.rotateKey("node-rotated");
  same(first.properties.version === second.properties.version, false);
  same((await main.getKeyRotationPolicy("node-rotated")).lifetimeActions.map((one) => one.action), ["Notify"]);
  const lifetimeActions = [{ action: "Rotate", timeAfterCreate: "P90D" }];
  await main.updateKeyRotationPolicy("node-rotated", { lifetimeActions, expiresIn: "P2Y" });
  const policy = await main.getKeyRotationPolicy("node-rotated");
  same([policy.expiresIn, policy.lifetimeActions.length], ["P2Y", 2]);
});
await run("release", () => refusal(() => main.releaseKey("node-rsa-2048", "t"), 403, "Forbidden", "is not permitted on this key."));
await run("random", () => refusal(() => main.getRandomBytes(8), 400, "BadParameter"));
await run("attestation", () => refusal(() => main.getKeyAttestation("node-rsa-2048"), 400, "BadParameter"));
await run("key-disabled", async () => {
  const key = await main.createRsaKey("node-disabled", { enabled: false });
  await refusal(() => main.getKey("node-disabled"), 403, "Forbidden", "is not allowed on a disabled key.");
  await refusal(() => crypto(key.id).wrapKey("RSA-OAEP-256", secret), 403, "Forbidden", "disabled key");
});
await run("key-not-yet-valid key-expired expired-still-opens", async () => {
  const day = 86_400_000;
  const key = await main.createRsaKey("node-timed");
  const uses = crypto(key.id);
  const wrapped = await uses.wrapKey("RSA-OAEP-256", secret);
  for (const [from, words] of [[1, "not yet valid"], [-2, "expired"]]) {
    const [notBefore, expiresOn] = [from, from + 1].map((days) => new Date(Date.now() + days * day));
    await main.updateKeyProperties("node-timed", { notBefore, expiresOn });
    await refusal(() => uses.wrapKey("RSA-OAEP-256", secret), 403, "Forbidden", words);
    same(secret.equals((await uses.unwrapKey("RSA-OAEP-256", wrapped.result)).result), true);
  }
});
await run("no-key", () => refusal(() => main.getKey("nothing"), 404, "KeyNotFound", "(name/id) nothing was not found"));
await run("no-role", () => refusal(() => client("e2e-bare").getKey("k"), 403, "Forbidden", "Caller is not authorized"));
await run("no-policy", async () => {
  await client("e2e-policies").createEcKey("node-k");
  const backup = () => client("e2e-policies").backupKey("node-k");
  await refusal(backup, 403, "Forbidden", "does not have keys backup permission");
});
await run("firewall", () => refusal(() => client("e2e-closed").getKey("k"), 403, "Forbidden", "is not authorized"));
await run("public-access-off", () => refusal(() => client("e2e-private").getKey("k"), 403, "Forbidden"));
await run("bad-parameter", () => refusal(() => main.createRsaKey("node-bad", { keySize: 1024 }), 400, "BadParameter"));
