// The page: ask, watch, read. State lives in the address (#debate id), so that reload and back work.
import { call, Follower, setToken, token } from "./api.js";
import { byId, el } from "./dom.js";
import { Gate } from "./gate.js";
import { receiptActions } from "./receipt.js";
import { decisionOf, Timeline } from "./timeline.js";

const REFRESH_MS = 10000;
const PAGE = 12;
let follower = null;
let cursor = null;
let gate = null;
let decided = null;

function say(problem) {
  byId("problem").textContent = problem || "";
  byId("problem").hidden = !problem;
}

function state(text, kind) {
  byId("state").textContent = text;
  byId("state").className = `pill ${kind}`;
}

const STATES = { failed: ["Failed", "bad"], cancelled: ["Cancelled", "bad"] };

/** How a debate ended, in a word: one without a decision by its rule, or with voters missing, is not just settled. */
function ending(status) {
  if (status !== "completed" || !decided) return STATES[status] || [status, ""];
  const degraded = decided.participation?.degraded.length ? ", degraded" : "";
  const open = decided.mode === "none" ? "Answered" : "Not decided"; // no consensus was sought, or none reached
  return [(decided.reached ? "Settled" : open) + degraded, decided.reached && !degraded ? "good" : "busy"];
}

function show(debateId) {
  follower?.stop();
  gate?.hide();
  say("");
  const opened = Boolean(debateId);
  byId("debate").hidden = !opened;
  if (!opened) return;
  byId("rounds-list").replaceChildren();
  byId("decision").hidden = true;
  byId("debate-title").textContent = "";
  byId("facts").textContent = "";
  byId("cancel").hidden = byId("suggest").hidden = false;
  decided = null;
  state("Waiting for the first word", "busy");
  const timeline = new Timeline(byId("rounds-list"));
  gate = new Gate(debateId, say);
  follower = new Follower(debateId, (event) => take(event, timeline), (up) => {
    if (!up) state("Connection lost, trying again", "bad");
  });
  markCurrent();
}

function take(event, timeline) {
  timeline.add(event);
  const { type, data } = event;
  if (type === "debate_start") {
    byId("debate-title").textContent = data.spec.question;
    gate.options = data.spec.options || [];
    byId("facts").textContent = `${data.spec.protocol.name}, ${data.spec.agents.join(", ")}`;
    byId("debate-title").focus({ preventScroll: true });
  } else if (type === "consensus" || type === "decision_proposed") {
    byId("decision").replaceChildren(...decisionOf(data.decision).filter(Boolean));
    byId("decision").hidden = false;
    if (type === "consensus") {
      decided = data.decision;
      gate.hide();
    } else {
      gate.proposed(data);
    }
  } else if (type === "signature") {
    gate.signed(data);
  } else if (type === "user_vote" || type === "user_positions") {
    gate.hide();
  } else if (type === "receipt") {
    byId("decision").append(...receiptActions(gate.debateId, say));
  } else if (type === "debate_end") {
    state(...ending(data.status));
    gate.ended();
    if (data.status !== "completed") byId("rounds-list").append(el("p", "said note failed", data.reason));
    byId("cancel").hidden = byId("suggest").hidden = true;
    refresh();
    return;
  }
  if (type === "error") state("Not available", "bad");
  else state(gate.open ? "Waits for signatures" : "Debating", "busy");
}

async function ask(event) {
  event.preventDefault();
  const question = byId("question").value.trim();
  if (!question) {
    say("Write a question first.");
    byId("question").focus();
    return;
  }
  const agents = [...document.querySelectorAll("#agents input:checked")].map((box) => box.value);
  const rounds = byId("rounds").valueAsNumber;
  const options = byId("options").value.split(",").map((option) => option.trim()).filter(Boolean);
  const body = { question, protocol: byId("protocol").value };
  if (options.length) body.options = options;
  if (agents.length) body.agents = agents;
  if (Number.isFinite(rounds)) body.rounds = rounds;
  byId("start").disabled = true;
  say("");
  try {
    const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
    const ticket = await call("POST", "/api/debates", body, { "Idempotency-Key": key.join("") });
    location.hash = ticket.debate_id;
    refresh();
  } catch (failure) {
    say(failure.message);
  } finally {
    byId("start").disabled = false;
  }
}

async function cancelDebate() {
  try {
    await call("POST", `/api/debates/${encodeURIComponent(follower.debateId)}/cancel`);
  } catch (failure) {
    say(failure.message);
  }
}

function suggest(event) {
  event.preventDefault();
  const text = byId("suggestion").value.trim();
  if (!text) return;
  follower.send({ type: "user_suggestion", loop_id: follower.debateId, payload: { text } });
  byId("suggestion").value = "";
}

async function agents() {
  const found = (await call("GET", "/api/agents/health")).agents;
  byId("agents").replaceChildren(
    ...found.map((agent) => {
      const box = el("input", "", [], { type: "checkbox", value: agent.name, name: "agent" });
      const resting = agent.breaker.state === "open" ? " (resting after failures)" : "";
      const broken = agent.cause ? ` (${agent.cause.code})` : resting;
      return el("label", "choice", [box, agent.name + broken], {
        title: agent.cause ? agent.cause.message : `${agent.provider}, ${agent.model}`,
      });
    }),
  );
  if (!found.length) byId("agents").append(el("p", "muted", "No agent is available."));
}

/** The status of a debate in a list, and of one that is completed what came of it. */
function standing({ status, outcome }) {
  if (!outcome) return status;
  return (outcome.reached ? "decided" : "not decided") + (outcome.degraded ? ", degraded" : "");
}

/** The debate that the address names; none where it is no address that this page writes. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function recentItem(debate) {
  const when = new Date(debate.created_at * 1000).toLocaleString();
  return el("li", "", el("a", "", [
    el("span", "", debate.question.length > 140 ? `${debate.question.slice(0, 140)}…` : debate.question),
    el("span", "muted small", `${standing(debate)}, ${when}`),
  ], { href: `#${debate.debate_id}` }));
}

function markCurrent() {
  for (const link of document.querySelectorAll("#recent a")) {
    if (link.hash === location.hash) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

async function recent(older) {
  const query = older && cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  const page = await call("GET", `/api/debates?limit=${PAGE}${query}`);
  const items = page.debates.map(recentItem);
  if (older) byId("recent").append(...items);
  else byId("recent").replaceChildren(...items);
  if (!older && !items.length) byId("recent").append(el("li", "muted", "None yet. Ask the first question."));
  cursor = page.next_cursor;
  byId("more").hidden = !cursor;
  markCurrent();
}

async function ranking() {
  const rows = (await call("GET", "/api/leaderboard/rankings?limit=10")).agents;
  byId("ranking").replaceChildren(...rows.map((agent) => el("tr", "", [
    el("td", "", agent.name), el("td", "", String(Math.round(agent.elo))), el("td", "", String(agent.debates)),
  ])));
}

async function health() {
  const pill = byId("health");
  try {
    const answer = await call("GET", "/api/health");
    pill.textContent = answer.status === "healthy" ? "Server healthy" : `Server ${answer.status}`;
    pill.className = `pill ${answer.status === "healthy" ? "good" : "busy"}`;
  } catch (failure) {
    pill.textContent = failure.answer?.status ? `Server ${failure.answer.status}` : "Server not reachable";
    pill.className = "pill bad";
  }
}

/** Each part of the page on its own: one that fails leaves the others whole. */
function refresh() {
  for (const part of [health, () => recent(false), ranking]) {
    part().catch((failure) => failure.status === 401 && say("This server asks who you are: set a token under Access."));
  }
}

byId("ask").addEventListener("submit", ask);
byId("cancel").addEventListener("click", cancelDebate);
byId("suggest").addEventListener("submit", suggest);
byId("more").addEventListener("click", () => recent(true).catch((failure) => say(failure.message)));
byId("save-token").addEventListener("click", () => {
  setToken(byId("token").value);
  byId("token").value = "";
  say("");
  refresh();
  show(addressed());
});
addEventListener("hashchange", () => show(addressed()));
byId("token").placeholder = token() ? "one is set" : "none is set";
agents().catch((failure) => byId("agents").replaceChildren(el("p", "muted", failure.message)));
refresh();
setInterval(() => document.hidden || health(), REFRESH_MS);
show(addressed());
