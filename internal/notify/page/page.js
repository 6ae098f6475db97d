// The page of "hawser serve --dev": subscribes to topics, shows what arrives and what became of what was missed, and
// publishes. The topics are in the page's address, so that a reload and a bookmark keep them.

import { connect } from "/hawser.js";

const $ = (id) => document.getElementById(id);
const maxShown = 500; // messages; older ones go

const numbers = new Map(); // topic or pattern → messages that came for it
let feed; // undefined: the user has disconnected
let last; // id of the newest message seen, to go on behind when the user connects again
let total = 0;
let fresh = []; // list items that wait for the next frame

const covers = (pattern, topic) =>
  pattern === topic || pattern === ">" || pattern.endsWith(".>") && topic.startsWith(pattern.slice(0, -1));

function element(name, className, text) {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = text; // never HTML: messages come from anyone who may publish
  return e;
}

const plural = (n, word) => n + " " + word + (n === 1 ? "" : "s");

// Connection

function start() {
  feed = connect({
    topics: [...numbers.keys()],
    last,
    onmessage: showMessage,
    onstate: showState,
    onerror: (text) => showRecovery("the server answered: " + text, true),
  });
  $("toggle").textContent = "Disconnect";
}

function stop() {
  last = feed.last;
  feed.close();
  feed = undefined;
  $("toggle").textContent = "Connect";
}

function showState(state, detail) {
  $("state").dataset.state = state;
  $("state").textContent = {
    connecting: () => "connecting …",
    open: () => "connected to " + (numbers.size === 1 ? [...numbers.keys()][0] : plural(numbers.size, "topic")),
    waiting: () => "connection lost (" + why(detail) + "); trying again in " + (detail.delay / 1000).toFixed(1) + " s",
    closed: () => "disconnected",
  }[state]();
  if (state === "open" && detail.recovered !== undefined) showRecovered(detail);
}

const why = ({ code, reason }) => [code && "code " + code, reason].filter(Boolean).join(", ");

// showRecovered says what became of what was published while there was no connection.
function showRecovered({ missed, recovered }) {
  const text = !recovered ? "recovered " + missed + " of the missed messages, others may be lost"
    : missed ? "missed " + missed + ", all recovered" : "missed nothing";
  showRecovery(text, !recovered);
  show(element("li", "break", "connected again: " + text));
}

function showRecovery(text, bad) {
  $("recovery").textContent = text;
  $("recovery").classList.toggle("lost", bad);
}

// Topics

function addTopic(topic) {
  if (numbers.has(topic)) return;
  numbers.set(topic, 0);
  feed?.subscribe(topic);
  topicsChanged();
}

function removeTopic(topic) {
  numbers.delete(topic);
  feed?.unsubscribe(topic);
  topicsChanged();
  $("topic").focus(); // what had the focus is gone
}

function topicsChanged() {
  $("topics").replaceChildren(...[...numbers].map(([topic, n]) => {
    const item = document.createElement("li");
    const remove = element("button", "", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", "Unsubscribe from " + topic);
    remove.addEventListener("click", () => removeTopic(topic));
    const number = element("span", "number", plural(n, "message"));
    number.dataset.topic = topic;
    item.append(element("span", "name", topic), number, remove);
    return item;
  }));
  const names = [...numbers.keys()].filter((topic) => !topic.endsWith(">"));
  $("names").replaceChildren(...names.map((name) => new Option(name)));
  history.replaceState(null, "", "?" + new URLSearchParams([...numbers.keys()].map((topic) => ["topic", topic])));
  if ($("state").dataset.state === "open") showState("open", {});
}

// Messages

function showMessage({ id, topic, data }) {
  const item = document.createElement("li");
  const now = new Date();
  const time = element("time", "time", now.toLocaleTimeString());
  time.dateTime = now.toISOString();
  item.append(element("span", "topic", topic), time, element("span", "id", id));
  if (typeof data === "string") {
    item.append(element("span", "payload", data));
  } else {
    const hex = Array.from(data.subarray(0, 64), (b) => b.toString(16).padStart(2, "0")).join(" ");
    item.append(element("span", "kind", "binary, " + plural(data.length, "byte")),
      element("span", "payload", hex + (data.length > 64 ? " …" : "")));
  }
  total++;
  for (const [pattern, n] of numbers) {
    if (covers(pattern, topic)) numbers.set(pattern, n + 1);
  }
  show(item);
}

// show puts an item at the top of the list, together with all that come before the next frame.
function show(item) {
  fresh.push(item);
  if (fresh.length > maxShown) fresh.shift();
  if (fresh.length > 1) return;
  const soon = document.hidden ? (f) => setTimeout(f, 200) : requestAnimationFrame; // a hidden page has no frames
  soon(() => {
    const list = $("messages");
    list.prepend(...fresh.reverse());
    fresh = [];
    while (list.children.length > maxShown) list.lastChild.remove();
    showCounts();
  });
}

function showCounts() {
  $("count").textContent = total + (total > maxShown ? ", the last " + maxShown + " of them shown" : "");
  $("empty").hidden = total > 0;
  for (const e of document.querySelectorAll("#topics .number")) {
    e.textContent = plural(numbers.get(e.dataset.topic), "message");
  }
}

function clear() {
  $("messages").replaceChildren();
  total = 0;
  for (const topic of numbers.keys()) numbers.set(topic, 0);
  showRecovery("", false);
  showCounts();
}

// Publishing

const topicURL = () => location.origin + "/topics/" + encodeURIComponent($("publish-topic").value || "news");

async function publish() {
  const result = $("publish-result");
  result.classList.remove("failed");
  result.textContent = "…";
  try {
    const response = await fetch(topicURL(), {
      method: "POST",
      headers: { "Content-Type": "text/plain; charset=utf-8" },
      body: $("publish-body").value,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    result.textContent = "sent to " + plural(answer.subscribers, "subscriber") + " as " + answer.id;
    $("publish-body").value = "";
  } catch (error) {
    result.classList.add("failed");
    result.textContent = "not published: " + error.message;
  }
}

const showCommand = () => { $("curl").textContent = "curl -d 'hello' " + topicURL(); };

// The beginning

$("toggle").addEventListener("click", () => (feed ? stop() : start()));
$("topic-form").addEventListener("submit", (event) => {
  event.preventDefault();
  addTopic($("topic").value);
  $("topic").value = "";
});
$("publish-form").addEventListener("submit", (event) => {
  event.preventDefault();
  publish();
});
$("publish-body").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("publish-form").requestSubmit();
  }
});
$("publish-topic").addEventListener("input", showCommand);
$("clear").addEventListener("click", clear);

const given = new URLSearchParams(location.search).getAll("topic");
for (const topic of given.length ? given : ["news"]) numbers.set(topic, 0);
topicsChanged();
showCommand();
start();
