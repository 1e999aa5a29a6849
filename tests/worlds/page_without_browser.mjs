// The page's own scripts on a document that only keeps what they set: events come in as JSON on standard input, and what a
// reader would see goes out. Text set as markup would fail here: there is no innerHTML.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

class Node {
  constructor(tag) {
    Object.assign(this, { tag, className: "", hidden: false, value: "", children: [], attributes: {}, heard: {} });
  }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  removeAttribute(name) { delete this.attributes[name]; }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, does) { this.heard[name] = does; }
  set textContent(text) { this.children = [text]; }
  get textContent() { return this.children.map((child) => (child instanceof Node ? child.textContent : String(child))).join(" "); }
  get hash() { return this.attributes.href; }
  remove() {}
  focus() {}
  all(tag) { return this.children.flatMap((child) => (child instanceof Node ? [...(child.tag === tag ? [child] : []), ...child.all(tag)] : [])); }
}

const { scripts, me, debateId, hash, events, press, fill } = JSON.parse(readFileSync(0, "utf8"));
const byId = new Map();
const sent = [];
const faults = [];
let socket = null;
const answers = { "/api/auth/me": me, "/api/agents/health": { agents: [] }, "/api/leaderboard/rankings?limit=10": { agents: [] } };
Object.assign(globalThis, {
  document: {
    hidden: true,
    createElement: (tag) => new Node(tag),
    getElementById: (id) => byId.get(id) || byId.set(id, new Node("div")).get(id),
    querySelectorAll: () => [],
  },
  location: { hash: hash ?? `#${debateId}`, href: "http://localhost/", protocol: "http:" },
  sessionStorage: { getItem: () => "", setItem: () => {} },
  addEventListener: () => {},
  setInterval: () => 0,
  fetch: async (path, { method = "GET", body } = {}) => {
    if (method === "POST") sent.push([path, JSON.parse(body)]);
    return { ok: answers[path] !== null, status: 403, json: async () => answers[path] ?? { debates: [], next_cursor: null, status: "healthy" } };
  },
  WebSocket: class {
    static OPEN = 1;
    constructor() { socket = this; }
    send() {}
    close() {}
  },
});

const settled = () => new Promise((resolve) => setImmediate(resolve));
await import(pathToFileURL(`${scripts}/page.js`));
for (let turn = 0; turn < 5; turn += 1) await settled();
for (const event of events) {
  try {
    socket.onmessage({ data: JSON.stringify(event) });
  } catch (fault) {
    faults.push(`${event.type}: ${fault}`);
  }
  for (let turn = 0; turn < 5; turn += 1) await settled();
}
const seen = (id) => (document.getElementById(id).hidden ? "" : document.getElementById(id).textContent);
const buttons = seen("gate") ? document.getElementById("gate").all("button") : [];
for (const field of seen("gate") ? ["input", "textarea", "select"].flatMap((tag) => document.getElementById("gate").all(tag)) : []) {
  field.value = fill?.[field.attributes.id] ?? field.value;
}
if (press) await buttons.find((one) => one.textContent === press).heard.click();
process.stdout.write(JSON.stringify({
  state: seen("state"),
  gate: seen("gate"),
  decision: seen("decision"),
  rounds: seen("rounds-list"),
  problem: seen("problem"),
  buttons: buttons.map((one) => one.textContent),
  sent,
  faults,
  open: socket !== null,
}));
process.exit(0);
