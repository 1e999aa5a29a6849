// Talking to the server: HTTP with the one error shape, and the WebSocket that resumes where it broke off.

const TOKEN = "aragora-token";

export const token = () => sessionStorage.getItem(TOKEN) || "";
export const setToken = (value) => sessionStorage.setItem(TOKEN, value.trim());

/** The JSON answer of a request; throws an Error whose message is the server's own. */
export async function call(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token() ? { Authorization: `Bearer ${token()}` } : {}),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const failure = new Error(answer.error?.message || `The server answered ${response.status}.`);
    failure.status = response.status;
    failure.answer = answer;
    throw failure;
  }
  return answer;
}

/** The text of a document, for saving it as a file. */
export async function download(path) {
  const response = await fetch(path, { headers: token() ? { Authorization: `Bearer ${token()}` } : {} });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return response.text();
}

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 10000;

/** Follows one debate; `onEvent` gets each seq once and in order, and between them what agents are writing (`token`),
 * `onLink` whether the line is up. */
export class Follower {
  constructor(debateId, onEvent, onLink) {
    Object.assign(this, { debateId, onEvent, onLink, seq: 0, waitMs: FIRST_WAIT_MS, over: false });
    this.connect();
  }

  async connect() {
    if (this.over) return;
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    try {
      if (token()) url.searchParams.set("ticket", (await call("POST", "/api/auth/ws-ticket")).ticket);
    } catch {
      return this.retry();
    }
    if (this.over) return;
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      this.waitMs = FIRST_WAIT_MS;
      this.onLink(true);
      this.subscribe();
    };
    this.socket.onmessage = (message) => this.take(JSON.parse(message.data));
    this.socket.onclose = () => this.retry();
  }

  subscribe() {
    this.send({ type: "subscribe", debate_id: this.debateId, after_seq: this.seq, deltas: true });
  }

  take(event) {
    if (event.type === "error" && event.loop_id === this.debateId) {
      if (event.data.code === "interrupted") this.subscribe();
      else this.onEvent(event);
    } else if (event.type === "token" && event.loop_id === this.debateId) {
      this.onEvent(event);
    } else if (event.loop_id === this.debateId && event.seq > this.seq) {
      this.seq = event.seq;
      this.onEvent(event);
      if (event.type === "debate_end") this.stop();
    }
  }

  retry() {
    if (this.over) return;
    this.onLink(false);
    setTimeout(() => this.connect(), this.waitMs * (0.5 + Math.random()));
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 2);
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  stop() {
    this.over = true;
    this.socket?.close();
  }
}
