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

const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

export function connect({ topics = [], token, last, url = "ws", onmessage, onstate, ongap, onerror }) {
  const wanted = new Set(topics), ended = new AbortController();
  const pending = new Map(); // ref → topics that were asked for with it
  let socket, refs = 0, turn = 0, attempts = 0, opened, hint, timer, watch;

  async function dial() {
    const mine = ++turn, asked = [...wanted]; // what an older turn still hears is nobody's business
    clearTimeout(timer);
    pending.clear();
    timer = opened = hint = undefined;
    onstate?.("connecting", {});
    try {
      const to = new URL(url, import.meta.url);
      to.protocol = to.protocol.replace("http", "ws");
      for (const topic of asked) to.searchParams.append("topic", topic);
      if (last) to.searchParams.set("last-id", last);
      const secret = typeof token === "function" ? await token() : token;
      if (mine !== turn) return;
      if (secret) to.searchParams.set("token", secret);
      socket = new WebSocket(to, "hawser.v1");
      expect(longest);
      socket.onmessage = ({ data }) => mine === turn && receive(JSON.parse(data), asked);
      socket.onclose = ({ code, reason }) => mine === turn && lost(code, reason);
    } catch (error) {
      if (mine === turn) lost(0, String(error));
    }
  }

  function receive(m, asked) {
    clearTimeout(watch);
    watch = setTimeout(probe, silence);
    if (m.type === "message") {
      last = m.id;
      onmessage?.({ id: m.id, topic: m.topic, data: m.data ?? bytes(m.base64) });
    } else if (m.type === "welcome") {
      opened = Date.now();
      last = m.id;
      ask(topicsBut(wanted, asked)); // what has changed since we dialled
      leave(topicsBut(asked, [...wanted]));
      onstate?.("open", m);
      if (m.recovered === false) ongap?.(m);
    } else if (m.type === "drain") {
      hint = m.retry;
    } else if (m.type === "subscribed") {
      pending.delete(m.ref);
    } else if (m.type === "error") {
      pending.get(m.ref)?.forEach((topic) => wanted.delete(topic)); // else the next connection would be refused for it
      onerror?.(m.error);
    }
  }

  // Full jitter: clients that lost their server together do not come back together. A server that drains has spread
  // them already, and says when to come.
  function lost(code, reason) {
    clearTimeout(watch);
    turn++;
    if (opened && Date.now() - opened > steady) attempts = 0;
    hint ??= /retry=(\d+)/.exec(reason)?.[1];
    const delay = Number(hint ?? Math.random() * Math.min(longest, first * 2 ** attempts++));
    socket = opened = undefined;
    timer = setTimeout(dial, delay);
    onstate?.("waiting", { code, reason, delay });
  }

  function probe() { // a browser takes long to notice that a connection is dead
    if (send({ type: "ping" })) expect(patience);
  }

  function expect(ms) { // a word of the server, else the connection is given up
    const silent = socket;
    clearTimeout(watch);
    watch = setTimeout(() => (lost(1006, "the server does not answer"), silent.close()), ms);
  }

  function wake() { // the network is back, or somebody looks at the page again
    if (globalThis.document?.visibilityState === "hidden") return;
    if (timer && hint === undefined) dial();
    else probe();
  }

  const topicsBut = (all, known) => [...all].filter((topic) => !known.includes(topic));
  const leave = (list) => list.length && send({ type: "unsubscribe", topics: list });
  function ask(list) {
    const ref = String(++refs);
    if (list.length && send({ type: "subscribe", topics: list, ref })) pending.set(ref, list);
  }
  const send = (m) => Boolean(opened && socket.readyState === WebSocket.OPEN && (socket.send(JSON.stringify(m)), true));

  globalThis.addEventListener?.("online", wake, { signal: ended.signal });
  globalThis.document?.addEventListener("visibilitychange", wake, { signal: ended.signal });
  dial();

  return {
    get last() { return last; },
    get topics() { return [...wanted]; },
    subscribe(...list) {
      list = topicsBut(list, [...wanted]);
      list.forEach((topic) => wanted.add(topic));
      ask(list);
    },
    unsubscribe(...list) {
      list.forEach((topic) => wanted.delete(topic));
      leave(list);
    },
    publish(topic, data) { return send({ type: "publish", topic, data }); },
    close() {
      turn++;
      ended.abort();
      clearTimeout(timer);
      clearTimeout(watch);
      socket?.close(1000);
      socket = opened = undefined;
      onstate?.("closed", {});
    },
  };
}
