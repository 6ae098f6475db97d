"use strict";
// The page of "hawser serve --dev": connects to a topic, shows what arrives, publishes.

const $ = (id) => document.getElementById(id);
const maxShown = 500; // messages; older ones go
const maxDelay = 10000; // ms between two attempts to connect

let socket = null;
let wanted = false; // the user wants to be connected
let attempts = 0;
let timer = 0;
let count = 0;

const topicURL = (topic) => location.origin + "/topics/" + encodeURIComponent(topic);

function setState(name, text, failed) {
  const state = $("state");
  state.dataset.state = name;
  state.textContent = text;
  state.classList.toggle("failed", Boolean(failed));
  $("disconnect").disabled = !wanted;
}

function connect() {
  clearTimeout(timer);
  if (socket) {
    const old = socket;
    socket = null; // its events are nobody's any more
    old.close(1000);
  }
  const topic = $("topic").value;
  const ws = new WebSocket(topicURL(topic).replace(/^http/, "ws"));
  ws.binaryType = "arraybuffer";
  socket = ws;
  setState(attempts ? "reconnecting" : "connecting", attempts ? "reconnecting to " + topic + " …" : "connecting to " + topic + " …");
  ws.onopen = () => {
    if (ws !== socket) return;
    attempts = 0;
    setState("open", "connected to " + topic);
  };
  ws.onmessage = (event) => {
    if (ws === socket) show(topic, event.data);
  };
  ws.onclose = (event) => {
    if (ws !== socket) return;
    socket = null;
    const why = "code " + event.code + (event.reason ? ", " + event.reason : "");
    if (!wanted) {
      setState("closed", "disconnected (" + why + ")");
      return;
    }
    attempts++;
    const delay = Math.min(maxDelay, 250 * 2 ** attempts) * (0.5 + Math.random() / 2);
    setState("reconnecting", "connection lost (" + why + "); trying again in " + (delay / 1000).toFixed(1) + " s", true);
    timer = setTimeout(connect, delay);
  };
}

function disconnect() {
  wanted = false;
  clearTimeout(timer);
  if (socket) {
    socket.close(1000);
    setState("closed", "disconnecting …");
  } else {
    setState("closed", "disconnected");
  }
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text; // never HTML: messages come from anyone who may publish
  return element;
}

function show(topic, data) {
  const item = document.createElement("li");
  item.append(span("topic", topic));
  const now = new Date();
  const time = document.createElement("time");
  time.className = "time";
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString();
  item.append(time);
  if (typeof data === "string") {
    item.append(span("payload", data));
  } else {
    const bytes = new Uint8Array(data);
    const hex = Array.from(bytes.subarray(0, 64), (b) => b.toString(16).padStart(2, "0")).join(" ");
    item.append(span("kind", "binary, " + bytes.length + " bytes"), span("payload", hex + (bytes.length > 64 ? " …" : "")));
  }
  const list = $("messages");
  list.prepend(item);
  while (list.children.length > maxShown) list.lastChild.remove();
  count++;
  showCount();
}

function showCount() {
  $("count").textContent = String(count);
  $("empty").hidden = count > 0;
  $("curl").hidden = count > 0;
}

async function publish() {
  const result = $("publish-result");
  result.classList.remove("failed");
  result.textContent = "…";
  try {
    const response = await fetch(topicURL($("topic").value), {
      method: "POST",
      headers: { "Content-Type": "text/plain; charset=utf-8" },
      body: $("publish-body").value,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    result.textContent = "sent to " + answer.subscribers + " as " + answer.id;
    $("publish-body").value = "";
  } catch (error) {
    result.classList.add("failed");
    result.textContent = "not published: " + error.message;
  }
}

function showCommand() {
  $("curl").textContent = "curl -d 'hello' " + topicURL($("topic").value || "news");
}

$("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = true;
  attempts = 0;
  connect();
});
$("disconnect").addEventListener("click", disconnect);
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
$("clear").addEventListener("click", () => {
  $("messages").replaceChildren();
  count = 0;
  showCount();
});
$("topic").addEventListener("input", showCommand);

showCommand();
wanted = true;
connect();
