// hawser.js subscribes a page to topics of the hawser server that serves it, and keeps it subscribed: it connects again
// when the connection is lost, and gets what was published meanwhile.
//
//   import { connect } from "https://push.example.com/hawser.js";
//
//   const feed = connect({
//     topics: ["news", "orders.42.>"],
//     token: () => fetch("/push-token").then((answer) => answer.text()),
//     onmessage: ({ topic, data }) => show(topic, data),
//     ongap: () => location.reload(),
//   });
//
// Options, none of which is required:
//   topics     names, or patterns such as "orders.>"
//   token      what the server asks for, or a function that returns it or a promise of it; called for each connection
//   last       the id of the message to go on behind: feed.last of an earlier visit
//   url        of the server's endpoint, relative to this module; "ws" if it is absent
//   onmessage  ({ id, topic, data }): data is a string, or a Uint8Array if the message is binary
//   onstate    (state, detail): "connecting"; "open" with { id, missed, recovered }, of which the last two are there if
//              there was an id to go on behind; "waiting" with { code, reason, delay }, to connect again in delay ms;
//              "closed"
//   ongap      ({ missed }): messages were lost for good; missed of them could be recovered and come now
//   onerror    (text): the server did not take what was asked for
//
// The feed has subscribe(...topics), unsubscribe(...topics), publish(topic, text), which returns whether there was a
// connection to send it on, close(), topics, and last. docs/PROTOCOL.md of hawser has what goes over the wire.

const first = 1000, longest = 30_000; // ms: bounds of the wait before the first attempt to connect again, and the last
const steady = 10_000; // ms that a connection lives before it counts as a success
const silence = 45_000, patience = 10_000; // ms without a word before the server is asked for one, and for its answer

export function connect({ topics = [], token, last, url = "ws", onmessage, onstate, ongap, onerror }) {
  const wanted = new Map(topics.map((topic) => [topic, ""])); // topic → ref of the request for it
  const ended = new AbortController();
  let socket, opened, hint, timer, watch, refs = 0, attempts = 0, turn = 0;

  async function dial() {
    const mine = leave();
    hint = undefined;
    onstate?.("connecting", {});
    try {
      const secret = typeof token === "function" ? await token() : token;
      if (mine !== turn) return;
      const to = new URL(url, import.meta.url);
      to.protocol = to.protocol.replace("http", "ws");
      for (const topic of wanted.keys()) to.searchParams.append("topic", topic);
      if (last) to.searchParams.set("last-id", last);
      if (secret) to.searchParams.set("token", secret);
      socket = new WebSocket(to, "hawser.v1");
      socket.onmessage = ({ data }) => mine === turn && receive(JSON.parse(data));
      socket.onclose = ({ code, reason }) => mine === turn && lost(code, reason);
      expect(longest);
    } catch (error) {
      if (mine === turn) lost(0, String(error));
    }
  }

  function leave() { // and begin a new turn: what an older one still hears is nobody's business
    clearTimeout(timer);
    clearTimeout(watch);
    socket?.close(1000);
    socket = opened = timer = undefined;
    return ++turn;
  }

  // Full jitter: clients that lost their server together do not come back together. A server that drains has spread
  // them already, and says when to come.
  function lost(code, reason) {
    if (opened && Date.now() - opened > steady) attempts = 0;
    hint ??= /retry=(\d+)/.exec(reason)?.[1];
    const delay = Number(hint ?? Math.random() * Math.min(longest, first * 2 ** attempts++));
    leave();
    timer = setTimeout(dial, delay);
    onstate?.("waiting", { code, reason, delay });
  }

  function receive(m) {
    clearTimeout(watch);
    watch = setTimeout(probe, silence);
    if (m.type === "message") {
      last = m.id;
      const data = m.data ?? Uint8Array.from(atob(m.base64), (c) => c.charCodeAt(0));
      onmessage?.({ id: m.id, topic: m.topic, data });
    } else if (m.type === "welcome") {
      opened = Date.now();
      last = m.id;
      drop(m.topics.filter((topic) => !wanted.has(topic))); // what has changed since we dialled
      ask([...wanted.keys()].filter((topic) => !m.topics.includes(topic)));
      onstate?.("open", m);
      if (m.recovered === false) ongap?.(m);
    } else if (m.type === "drain") {
      hint = m.retry;
    } else if (m.type === "error") { // what was refused is not asked for again: it would fail the next handshake
      for (const [topic, ref] of wanted) if (ref === m.ref) wanted.delete(topic);
      onerror?.(m.error);
    }
  }

  const probe = () => send({ type: "ping" }) && expect(patience); // a browser takes long to notice a dead connection
  function expect(ms) { // a word of the server, else the connection is given up
    clearTimeout(watch);
    watch = setTimeout(lost, ms, 1006, "the server does not answer");
  }
  function wake() { // the network is back, or somebody looks at the page again
    if (globalThis.document?.visibilityState === "hidden") return;
    if (timer && hint === undefined) dial();
    else probe();
  }

  const send = (m) => Boolean(opened && socket.readyState === WebSocket.OPEN && (socket.send(JSON.stringify(m)), true));
  const drop = (list) => list.length && send({ type: "unsubscribe", topics: list });
  const ask = (list) => list.forEach((topic) => {
    wanted.set(topic, String(++refs));
    send({ type: "subscribe", topics: [topic], ref: wanted.get(topic) });
  });

  globalThis.addEventListener?.("online", wake, { signal: ended.signal });
  globalThis.document?.addEventListener("visibilitychange", wake, { signal: ended.signal });
  dial();

  return {
    get last() { return last; },
    get topics() { return [...wanted.keys()]; },
    subscribe(...list) { ask(list.filter((topic) => !wanted.has(topic))); },
    unsubscribe(...list) {
      list.forEach((topic) => wanted.delete(topic));
      drop(list);
    },
    publish(topic, data) { return send({ type: "publish", topic, data }); },
    close() {
      leave();
      ended.abort();
      onstate?.("closed", {});
    },
  };
}
