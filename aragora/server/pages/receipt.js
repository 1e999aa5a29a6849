// The receipt of a decision: fetched, checked by the server, and saved as a file.
import { call, download } from "./api.js";
import { el } from "./dom.js";

/** The actions below a decision: check the receipt, save it. */
export function receiptActions(debateId, say) {
  const path = `/api/debates/${encodeURIComponent(debateId)}/receipt`;
  const results = el("ul", "checks", [], { "aria-live": "polite" });
  const check = el("button", "quiet", "Check the receipt", { type: "button" });
  check.addEventListener("click", async () => {
    check.disabled = true;
    try {
      const outcome = await call("POST", "/api/receipts/verify", await call("GET", path));
      results.replaceChildren(
        el("li", outcome.valid ? "good" : "bad", outcome.valid ? "The receipt is genuine." : "The receipt does not hold."),
        ...outcome.checks.map((one) => el("li", one.passed ? "good" : "bad", `${one.passed ? "✓" : "✗"} ${one.name}: ${one.detail}`)),
      );
    } catch (failure) {
      say(failure.message);
    } finally {
      check.disabled = false;
    }
  });
  const saves = ["json", "markdown", "html"].map((format) => save(`${path}?format=${format}`, debateId, format, say));
  return [el("div", "actions", [check, ...saves]), results];
}

const SUFFIX = { json: "json", markdown: "md", html: "html" };

function save(path, debateId, format, say) {
  const button = el("button", "quiet", `Save as ${format}`, { type: "button" });
  button.addEventListener("click", async () => {
    try {
      const url = URL.createObjectURL(new Blob([await download(path)], { type: "application/octet-stream" }));
      el("a", "", "", { href: url, download: `${debateId}.${SUFFIX[format]}` }).click();
      URL.revokeObjectURL(url);
    } catch (failure) {
      say(failure.message);
    }
  });
  return button;
}
