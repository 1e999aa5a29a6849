// How each event of a debate looks, and what agents write before it. An event in, an element out, or null.
import { counted, el, list, percent } from "./dom.js";

const TONES = 6;
const KINDS = {
  propose: "proposes", revise: "revises", challenge: "answers the challenge", synthesize: "sums up",
  rank: "ranks", vote: "votes for", judge: "rules for",
};

const NOT_OFFERED = {
  off: "Knowledge is switched off here.",
  none: "Nothing is known of this question from earlier debates.",
  late: "Looking for knowledge took too long; the debate goes on without.",
  away: "Knowledge could not be looked for; the debate goes on without.",
  busy: "Too many debates look for knowledge; this one goes on without.",
};

function under(head, lines) {
  return lines.length ? [el("p", "", head), list(lines)] : [];
}

function prior(one) {
  const share = one.share.toFixed(2);
  return `${one.position}: ${share} over ${one.of} independent debates, ${one.debates} of them for it`;
}

export class Timeline {
  constructor(root) {
    this.root = root;
    this.tones = new Map();
    this.round = null;
    this.writing = new Map(); // what agents are writing now, by ask id: a text and the paragraph that shows it
  }

  tone(agent) {
    if (!this.tones.has(agent)) this.tones.set(agent, this.tones.size % TONES);
    return `tone-${this.tones.get(agent)}`;
  }

  add(event) {
    if (event.type !== "token") this.settle(event);
    const build = this[event.type];
    if (!build) return;
    const node = build.call(this, event.data, event);
    if (node) (this.round || this.root).append(node);
  }

  said(agent, extra, head, children) {
    const who = el("p", "who", [el("strong", "", agent), el("span", "muted small", head)]);
    return el("article", `said ${this.tone(agent)} ${extra}`, [who, ...children]);
  }

  note(text, extra = "") {
    return el("p", `said note ${extra}`, text);
  }

  /** Shows what an agent is writing until its event comes; an ellipsis stands for a piece that is missing. */
  token(data) {
    const known = this.writing.get(data.ask_id);
    const text = known ? known.text.slice(0, data.offset) : [];
    if (text.length < data.offset) text.push("…", ...Array(data.offset - text.length - 1).fill(""));
    text.push(...data.text);
    const shown = known ? known.shown : el("p");
    shown.textContent = text.join("");
    const node = known ? known.node : this.said(data.agent, "writing", "is at work", [shown]);
    this.writing.set(data.ask_id, { text, shown, node });
    return known ? null : node;
  }

  /** What was written has become this event; with the end of a round or of the debate nobody waits for the rest. */
  settle(event) {
    const all = ["round_start", "consensus", "decision_proposed", "debate_end"].includes(event.type);
    for (const askId of all ? [...this.writing.keys()] : [event.data.ask_id]) {
      this.writing.get(askId)?.node.remove();
      this.writing.delete(askId);
    }
  }

  debate_start(data) {
    data.spec.agents.forEach((agent) => this.tone(agent));
    return null;
  }

  knowledge_offered(data) {
    const besides = [
      ...under("Earlier debates of this question, shown and not to be followed:", (data.priors || []).map(prior)),
      ...under("Claims that divided earlier debates of this question:", (data.cruxes || []).map((crux) => crux.text)),
      ...under("Critics are to check what earlier debates turned on:", (data.checklist || []).map((issue) => issue.text)),
    ];
    if (!data.items.length) {
      const nothing = NOT_OFFERED[data.why] || "Nothing is offered of earlier debates.";
      return besides.length ? el("article", "said note", [el("p", "", nothing), ...besides]) : this.note(nothing);
    }
    const told = data.items.map((item) => {
      const source = `${item.label} ${item.kind}${item.disputed ? ", disputed" : ""}: ${item.text}`;
      return item.dissent ? `${source} (Dissent: ${item.dissent})` : source;
    });
    const head = `Offered ${counted(data.items.length, "item")} of earlier knowledge`;
    return el("article", "said note", [el("p", "", head), list(told), ...besides]);
  }

  knowledge_cited(data) {
    const unknown = data.unknown.length ? `; never offered: ${data.unknown.join(", ")}` : "";
    return this.note(`${data.agent} cites ${data.labels.join(", ") || "nothing that was offered"}${unknown}.`);
  }

  round_start(data) {
    this.round = el("section", "round", el("h3", "", `Round ${data.round}`), { "aria-label": `Round ${data.round}` });
    this.root.append(this.round);
    return null;
  }

  agent_message(data) {
    const by = data.fallback ? `, through ${data.fallback.to_provider}` : "";
    const head = `${KINDS[data.kind] || data.kind}, ${percent(data.confidence)} sure${by}`;
    return this.said(data.agent, "", head, [el("p", "", data.content), list(data.evidence), remarksOf(data)]);
  }

  critique(data) {
    const head = `criticises ${data.target}, severity ${percent(data.severity)}`;
    return this.said(data.agent, "critique", head, [list(data.issues), list(data.suggestions), remarksOf(data)]);
  }

  grouping(data) {
    const reason = data.reason ? `: ${data.reason}` : ".";
    return this.note(`${data.agent} reads ${counted(data.groups.length, "position")} in the answers${reason}`);
  }

  abstention(data) {
    return this.note(`${data.agent} abstains: ${data.reason}`);
  }

  vote(data) {
    const head = `${KINDS[data.kind] || "votes for"} ${data.choice}, ${percent(data.confidence)} sure`;
    return this.said(data.agent, "", head, [data.reason ? el("p", "", data.reason) : null, remarksOf(data)]);
  }

  agent_error(data) {
    return this.note(`${data.agent} gave no answer (${data.code}): ${data.message}`, "failed");
  }

  fallback(data) {
    const { from_provider: from, to_provider: to, reason } = data.fallback;
    return this.note(`${data.agent} turned from ${from} to ${to} (${reason})${data.succeeded ? "" : ", which failed too"}.`);
  }

  convergence(data) {
    if (!data.positions?.length) {
      return this.note(`The answers are ${percent(data.similarity)} alike${data.converged ? ": they have converged" : ""}.`);
    }
    const head = `${counted(data.positions.length, "position")}, ${percent(data.agreement)} agreement`;
    const held = data.positions.map((one) => `${one.authors.join(", ")}: ${one.name}`);
    return el("article", "said note", [
      el("p", "", `${head} (their words are ${percent(data.similarity)} alike)`),
      list(held),
    ]);
  }

  trickster(data) {
    return el("article", "said note", [el("p", "", `Hollow agreement: ${data.reasons.join("; ")}`), el("p", "", data.challenge)]);
  }

  user_vote(data) {
    return this.note(`${data.person} prefers the answer of ${data.choice} (${data.intensity} of 10).`);
  }

  user_positions(data) {
    const groups = data.groups.map((group) => group.join(", ")).join("; ");
    return this.note(`${data.person} says that these are one position each: ${groups}.`);
  }

  decision_proposed(data) {
    return this.note(`The decision is proposed and waits for the signature of ${data.missing.join(", ")}.`);
  }

  signature(data) {
    const deed = { approve: "approves", change: "changes", veto: "vetoes" }[data.verdict];
    const told = `${data.person} ${deed} the decision (${data.need})${data.note ? `: ${data.note}` : "."}`;
    if (!data.answer) return this.note(told);
    return el("article", "said note", [el("p", "", told), el("p", "", data.option ? `${data.option}: ${data.answer}` : data.answer)]);
  }

  late_answer(data) {
    return this.note(`${data.agent} answered too late.`);
  }

  user_suggestion(data) {
    return this.note(`${data.person} suggests: ${data.text}`);
  }

  error(data) {
    return this.note(data.message, "failed");
  }
}

/** What readers must know of how an answer came about: what its agent did not see, what could not be read. */
function remarksOf(data) {
  const remarks = data.remarks || [];
  return remarks.length ? el("ul", "muted small", remarks.map((remark) => el("li", "", remark))) : null;
}

/** The decision: in one line, then answer, who stands behind it, votes, dissent, who was missing. */
export function decisionOf(decision) {
  const most = Math.max(1e-9, ...decision.tallies.map((tally) => tally.weight));
  const votes = decision.tallies.map((tally) =>
    el("div", "meter", [
      el("span", "", tally.position || tally.agent),
      el("meter", "", [], { min: 0, max: most, value: tally.weight, "aria-label": `Weight for ${tally.position || tally.agent}` }),
      el("span", "small", `${counted(tally.votes, "vote")}, weight ${tally.weight.toFixed(2)}`),
    ]));
  const named = new Map(decision.tallies.map((tally) => [tally.agent, tally.position]));
  const dissent = decision.dissent.map(
    (one) => `${one.agent} preferred ${named.get(one.choice) || one.choice}${one.reason ? `: ${one.reason}` : "."}`);
  const absent = (decision.participation?.absent || []).map(
    (one) => `${one.agent}, ${one.wanted} (${one.code}): ${one.message}`);
  const degraded = decision.participation?.degraded.length ? "headline degraded" : "headline";
  return [
    decision.headline ? el("p", degraded, decision.headline) : null,
    decision.headline ? null : el("h3", "", decision.reached ? "Decided" : "No decision by the rule: the leading answer"),
    el("p", "answer", decision.answer),
    el("div", "meter", [
      el("span", "", decision.support || "Confidence"),
      el("meter", "", [], { min: 0, max: 1, value: decision.confidence, "aria-label": "Share behind the answer" }),
      el("span", "", percent(decision.confidence)),
    ]),
    decision.winner
      ? el("p", "muted", `${decision.reached ? "Answer" : "The leading answer, not a decision,"} of ${decision.winner}, by `
        + `${decision.mode}, after ${counted(decision.rounds, "round")}, for ${cost(decision)}`)
      : null,
    decision.participation ? el("p", "muted", participationOf(decision.participation)) : null,
    statedOf(decision) ? el("p", "muted", statedOf(decision)) : null,
    ...votes,
    dissent.length ? el("h3", "", "Dissent") : el("p", "muted", "Nobody dissented."),
    list(dissent),
    absent.length ? el("h3", "", "Missing") : null,
    list(absent),
  ];
}

function participationOf(who) {
  return `${who.asked.length} asked, ${who.answered.length} answered, ${who.voted.length} of ${who.entitled.length} voted. `
    + `${who.models.length === 1 ? "Model" : "Models"}: ${who.models.join(", ")}.`;
}

/** What agents say of themselves stands apart from the share behind the answer. */
function statedOf(decision) {
  const stated = decision.stated_confidence;
  return typeof stated === "number"
    ? `Those behind it call themselves ${percent(stated)} sure, which counts for nothing.` : "";
}

function cost(decision) {
  return `${(decision.cost_usd || 0).toFixed(4)} USD${decision.estimated_usd ? ", in part estimated" : ""}`;
}
