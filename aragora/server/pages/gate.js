// The gate of a debate: what is proposed and waits for people, who signed so far, and signing it.
import { call } from "./api.js";
import { byId, el, list } from "./dom.js";

const ANSWER_MAX_CHARS = 20000;
const WORDS = { approve: "Approve", veto: "Veto", change: "Change" };
const DEEDS = { approve: "approved it", change: "put other words in its place", veto: "vetoed it" };

/** Shows itself in #gate from the proposal on; `say` tells what the server refuses. */
export class Gate {
  constructor(debateId, say) {
    Object.assign(this, { debateId, say, options: [], needs: [], signatures: new Map(), me: null, open: false });
    this.note = el("input", "", [], { maxlength: 1000, autocomplete: "off", id: "sign-note" });
    this.need = el("select", "", [], { id: "sign-need" });
    this.answer = el("textarea", "", [], { maxlength: ANSWER_MAX_CHARS, rows: 3, id: "sign-answer" });
    this.option = el("select", "", [], { id: "sign-option" });
    this.buttons = Object.fromEntries(Object.keys(WORDS).map((verdict) => [verdict, this.button(verdict)]));
    this.change = el("details", "change");
    this.hide();
  }

  button(verdict) {
    const button = el("button", verdict === "approve" ? "primary" : "quiet", WORDS[verdict], { type: "button" });
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
    this.offerOptions(data.decision.position);
    this.show();
    this.me ??= await call("GET", "/api/auth/me").catch(() => null);
    if (this.open) this.show();
  }

  signed(data) {
    if (data.verdict === "change") this.signatures.clear();
    for (const [need, one] of this.signatures) if (one.person === data.person) this.signatures.delete(need);
    this.signatures.set(data.need, data);
    this.show();
  }

  /** The debate ended without a decision. */
  ended() {
    if (!this.open) return;
    this.open = false;
    byId("gate").replaceChildren(el("p", "headline degraded", "This was proposed and never signed: nothing is decided."));
  }

  /** The needs that the reader may sign for: those that nobody else has signed. */
  get mine() {
    if (!this.me) return [];
    const fulfilled = [`user:${this.me.user_id}`, ...this.me.roles.map((role) => `role:${role}`)];
    const free = (need) => (this.signatures.get(need)?.person ?? this.me.user_id) === this.me.user_id;
    return this.needs.filter((need) => fulfilled.includes(need) && free(need));
  }

  /** What a person puts in place of the answer: its own words and, where the question gives options, one of them. */
  offerOptions(position) {
    this.option.replaceChildren(...["", ...this.options].map((one) => el("option", "", one || "None of them", { value: one })));
    this.option.value = this.options.includes(position) ? position : "";
    this.change.replaceChildren(el("summary", "", "Change the answer"), el("div", "", [
      el("label", "", ["The answer that is to stand", this.answer]),
      this.options.length ? el("label", "", ["The option that it is for", this.option]) : null,
      this.buttons.change,
    ]));
  }

  /** Who may sign for several needs may say for which. */
  offerNeeds(needs) {
    const signed = needs.some((need) => this.signatures.has(need));
    const unsaid = signed ? "the same as before" : "whichever fewest others can sign";
    const offered = ["", ...needs].map((need) => el("option", "", need || unsaid, { value: need }));
    this.need.replaceChildren(...offered);
    return el("label", "", ["Sign for", this.need]);
  }

  show() {
    const missing = this.needs.filter((need) => !this.signatures.has(need));
    const told = [...this.signatures.values()].map((one) => el("span", "", [
      `${one.person} (${one.need}) ${DEEDS[one.verdict] || one.verdict}${one.note ? `: ${one.note}` : ""}`,
      one.answer ? el("span", "answer block", one.option ? `${one.option}: ${one.answer}` : one.answer) : null,
    ]));
    const needs = this.mine;
    const form = [
      needs.length > 1 ? this.offerNeeds(needs) : null,
      el("div", "actions", [
        el("label", "", "Why, for the record", { for: "sign-note" }), this.note, this.buttons.approve, this.buttons.veto,
      ]),
      this.change,
    ];
    const waits = missing.length ? `It waits for ${missing.join(" and ")}.` : "All have signed.";
    byId("gate").replaceChildren(...[
      el("h3", "", "Proposed, and not decided yet"),
      el("p", "", waits),
      list(told),
      ...(needs.length ? form : []),
    ].filter(Boolean));
    byId("gate").hidden = false;
  }

  async sign(verdict) {
    const said = { verdict, note: this.note.value.trim() };
    if (verdict === "change") said.answer = this.answer.value.trim();
    if (verdict === "change" && !said.answer) {
      this.say("Write the answer that is to stand.");
      this.answer.focus();
      return;
    }
    if (verdict === "change" && this.option.value) said.option = this.option.value;
    if (this.mine.length > 1 && this.need.value) said.need = this.need.value;
    const buttons = Object.values(this.buttons);
    for (const button of buttons) button.disabled = true;
    try {
      await call("POST", `/api/debates/${encodeURIComponent(this.debateId)}/signatures`, said);
      this.note.value = "";
      this.answer.value = "";
      this.say("");
    } catch (failure) {
      this.say(failure.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }
}
