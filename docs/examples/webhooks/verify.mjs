// Is this webhook genuine? Needs Node.js only.
import { createHmac, createPublicKey, timingSafeEqual, verify as verifySignature } from "node:crypto";

const TOLERANCE_S = 300;

/** The event in `body`, a Buffer with the bytes of the request as they came. Throws where it is not genuine, or was not
 * sent within the last five minutes. `headers` have lower-case names, as in `request.headers`; `secret` is the webhook's
 * secret, or its public key (whpk_...). */
export function verify(body, headers, secret, now = Date.now() / 1000) {
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_S) {
    throw new Error("no timestamp, or one that is too far from now");
  }
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"] ?? ""}.${timestamp}.`), body]);
  const made = secret.startsWith("whpk_") ? madeWithKey : madeWithSecret;
  const given = (headers["webhook-signature"] ?? "").split(" "); // two while the secret is being changed
  if (!given.some((signature) => made(secret, signature, signed))) {
    throw new Error("no signature is made with this secret");
  }
  return JSON.parse(body.toString("utf8"));
}

function madeWithSecret(secret, signature, signed) {
  return same(`v1,${createHmac("sha256", keyOf(secret)).update(signed).digest("base64")}`, signature);
}

function madeWithKey(publicKey, signature, signed) {
  const raw = Buffer.from(publicKey.slice("whpk_".length), "base64");
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]); // how Ed25519 keys begin in SPKI
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  const [kind, encoded = ""] = signature.split(",");
  return kind === "v1a" && verifySignature(null, signed, key, Buffer.from(encoded, "base64"));
}

/** Whether `signature`, the header X-Webhook-Signature, is of `body`. It says nothing of when it was sent. */
export function verifyBody(body, signature, secret) {
  return same(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`, signature);
}

// A secret that was made for you holds its key in base64; one that you chose is its own key.
function keyOf(secret) {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret);
}

function same(expected, given) {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.length === other.length && timingSafeEqual(one, other);
}
