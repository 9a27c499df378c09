// HTTP calls and a connection to the instruction stream, without automatic reconnects or answers.
import WebSocket from "ws";

const DEADLINE_MS = 30_000;

/** Fails after the deadline instead of waiting for ever. */
function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in time`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One HTTP call; the body of the answer, which must have this status. */
export async function call(server, method, path, { token, body, status }) {
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) };
  const answer = await inTime(fetch(server + path, { method, headers, body: body && JSON.stringify(body) }), path);
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** The name of a frame's instruction. */
export const nameOf = (frame) => Object.keys(frame).find((key) => !["seq", "at", "from"].includes(key));

export class Connection {
  #socket;
  #format;
  #arrived = [];
  #waiting = null;
  #nextId = 1;
  /** The deviations from canonical encoding in all frames. */
  wrong = [];
  /** The last ordered seq seen. */
  seq = 0;

  /** `as`: "header", or "subprotocol" as a browser must. Returns the connection after it has read `welcome`. */
  static async open(url, format, token, as) {
    const connection = new Connection(url, format, token, as);
    const { frame, code } = await connection.#next();
    if (!frame?.welcome) throw new Error(`no welcome but ${JSON.stringify(frame ?? code)}`);
    connection.welcomeFrame = frame;
    connection.welcome = frame.welcome;
    connection.seq = frame.welcome.seq ?? 0;
    return connection;
  }

  constructor(url, format, token, as) {
    this.#format = format;
    const protocols = as === "subprotocol" ? [format.subprotocol, `bearer.${token}`] : [format.subprotocol];
    const headers = as === "header" ? { authorization: `Bearer ${token}` } : {};
    this.#socket = new WebSocket(url, protocols, { headers });
    this.#socket.on("message", (data, binary) => this.#read(data, binary));
    this.#socket.on("close", (code) => this.#push({ code }));
    this.#socket.on("error", (error) => this.wrong.push(String(error)));
  }

  /** The subprotocol that the server chose. */
  get protocol() {
    return this.#socket.protocol;
  }

  #read(data, binary) {
    const { frame, wrong } = this.#format.decode(data, binary);
    this.wrong.push(...wrong);
    if (!["sysHeart", "tokenRenewed", "numberCodeChange"].includes(nameOf(frame))) this.#push({ frame });
  }

  #push(event) {
    this.#arrived.push(event);
    this.#waiting?.();
  }

  async #next() {
    if (this.#arrived.length === 0) {
      await inTime(new Promise((resolve) => (this.#waiting = resolve)), "a frame");
    }
    const event = this.#arrived.shift();
    if (event.frame?.seq) {
      if (event.frame.seq !== this.seq + 1) this.wrong.push(`seq ${event.frame.seq} after ${this.seq}`);
      this.seq = event.frame.seq;
    }
    return event;
  }

  /** The next frame, which must be this instruction. */
  async expect(name) {
    const { frame, code } = await this.#next();
    if (!frame || nameOf(frame) !== name) throw new Error(`not ${name} but ${JSON.stringify(frame ?? code)}`);
    return frame;
  }

  /** The next frame of this instruction; skips others. */
  async until(name) {
    for (;;) {
      const { frame, code } = await this.#next();
      if (!frame) throw new Error(`closed with ${code} before ${name}`);
      if (nameOf(frame) === name) return frame;
    }
  }

  /** The close code, and the frames before it. */
  async end() {
    const frames = [];
    for (;;) {
      const { frame, code } = await this.#next();
      if (!frame) return { code, frames };
      frames.push(frame);
    }
  }

  /** Sends an instruction. Returns its answer and the frames before it. */
  async ask(instruction) {
    const id = this.#nextId++;
    this.#socket.send(this.#format.encode({ id, ...instruction }));
    const before = [];
    for (;;) {
      const { frame, code } = await this.#next();
      if (!frame) throw new Error(`closed with ${code} before the answer`);
      const answer = frame.ack ?? frame.nack;
      if (answer?.id === id) return { ack: frame.ack, nack: frame.nack, before };
      before.push(frame);
    }
  }

  /** Drops the connection without a close frame. */
  cut() {
    this.#socket.terminate();
  }
}
