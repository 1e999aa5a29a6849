// The gate of a debate: what is proposed and waits for people, who signed so far, and signing it.
import { call } from "./api.js";
import { byId, el, list } from "./dom.js";

const DEEDS = { approve: "approved it", change: "put other words in its place", veto: "vetoed it" };

/** Shows itself in #gate from the proposal on; `say` tells what the server refuses. */
export class Gate {
  constructor(debateId, say) {
    Object.assign(this, { debateId, say, needs: [], signatures: new Map(), me: null, open: false });
    this.note = el("input", "", [], { maxlength: 1000, autocomplete: "off", id: "sign-note" });
    this.buttons = ["approve", "veto"].map((verdict) => this.button(verdict));
    this.hide();
  }

  button(verdict) {
    const words = { approve: "Approve", veto: "Veto" }[verdict];
    const button = el("button", verdict === "approve" ? "primary" : "quiet", words, { type: "button" });
    button.addEventListener("click", () => this.sign(verdict));
    return button;
  }

  hide() {
    this.open = false;
    byId("gate").hidden = true;
  }

  /** The decision is proposed, or proposed anew: earlier signatures are void. */
  async proposed(data) {
    Object.assign(this, { needs: data.missing, open: true });
    this.signatures.clear();
    this.show();
    this.me ??= await call("GET", "/api/auth/me").catch(() => null);
    if (this.open) this.show();
  }

  signed(data) {
    if (data.verdict === "change") this.signatures.clear();
    this.signatures.set(data.need, data);
    this.show();
  }

  /** The debate ended without a decision. */
  ended() {
    if (!this.open) return;
    this.open = false;
    byId("gate").replaceChildren(el("p", "headline degraded", "This was proposed and never signed: nothing is decided."));
  }

  /** Whether the reader fulfils a need that is free, or may change its mind about one. */
  get mine() {
    if (!this.me) return false;
    if ([...this.signatures.values()].some((one) => one.person === this.me.user_id)) return true;
    const fulfilled = [`user:${this.me.user_id}`, ...this.me.roles.map((role) => `role:${role}`)];
    return this.needs.some((need) => fulfilled.includes(need) && !this.signatures.has(need));
  }

  show() {
    const missing = this.needs.filter((need) => !this.signatures.has(need));
    const told = [...this.signatures.values()].map((one) => el("span", "", [
      `${one.person} (${one.need}) ${DEEDS[one.verdict] || one.verdict}${one.note ? `: ${one.note}` : ""}`,
      one.answer ? el("span", "answer block", one.option ? `${one.option}: ${one.answer}` : one.answer) : null,
    ]));
    const form = el("div", "actions", [el("label", "", "Why, for the record", { for: "sign-note" }), this.note, ...this.buttons]);
    const waits = missing.length ? `It waits for ${missing.join(" and ")}.` : "All have signed.";
    byId("gate").replaceChildren(...[
      el("h3", "", "Proposed, and not decided yet"),
      el("p", "", waits),
      list(told),
      this.mine ? form : null,
    ].filter(Boolean));
    byId("gate").hidden = false;
  }

  async sign(verdict) {
    for (const button of this.buttons) button.disabled = true;
    try {
      const path = `/api/debates/${encodeURIComponent(this.debateId)}/signatures`;
      await call("POST", path, { verdict, note: this.note.value.trim() });
      this.note.value = "";
      this.say("");
    } catch (failure) {
      this.say(failure.message);
    } finally {
      for (const button of this.buttons) button.disabled = false;
    }
  }
}
