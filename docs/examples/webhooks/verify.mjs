// Is this webhook genuine? Needs Node.js only.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_S = 300;

/** The event in `body`, a Buffer with the bytes of the request as they came. Throws where it is not genuine, or was not
 * sent within the last five minutes. `headers` have lower-case names, as in `request.headers`. */
export function verify(body, headers, secret, now = Date.now() / 1000) {
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_S) {
    throw new Error("no timestamp, or one that is too far from now");
  }
  const hmac = createHmac("sha256", keyOf(secret));
  hmac.update(`${headers["webhook-id"] ?? ""}.${timestamp}.`).update(body);
  const expected = `v1,${hmac.digest("base64")}`;
  const given = (headers["webhook-signature"] ?? "").split(" "); // two while the secret is being changed
  if (!given.some((signature) => same(expected, signature))) {
    throw new Error("no signature is made with this secret");
  }
  return JSON.parse(body.toString("utf8"));
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
