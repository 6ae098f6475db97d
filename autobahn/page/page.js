"use strict";
// Without this script the page has everything but the filter and what is shown of a case's connection.
(() => {
  const data = JSON.parse(document.querySelector("#data").textContent);
  const cases = [...document.querySelectorAll("main details")].map(element => ({
    element,
    id: element.id.slice("case-".length),
    bad: element.hasAttribute("data-bad"),
    text: element.textContent.toLowerCase(),
  }));
  const sections = [...document.querySelectorAll("main > section")];

  // make creates an element. Text is only ever set as text, so that none of it can become markup.
  function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  // bytes turns hex into what it stands for: text where it is UTF-8 that can be read, else hex in pairs.
  function payload(hex) {
    if (hex.startsWith("=")) return hex.slice(1);
    const bytes = new Uint8Array((hex.match(/../g) ?? []).map(pair => parseInt(pair, 16)));
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      if (!/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/u.test(text)) return JSON.stringify(text);
    } catch {} // no UTF-8
    return make("span", "hex", hex.replace(/../g, "$& ").trim());
  }

  const ways = { RO: ["in octets", "←"], TO: ["out octets", "→"], RF: ["in", "←"], TF: ["out", "→"] };

  function wireLine([kind, time, text, length, hex]) {
    const [className, way] = ways[kind] ?? ["note", "·"];
    const line = make("div", className,
      make("span", "time", time.toFixed(3) + " ms"), make("span", "way", way),
      make("span", "text", text || "octets"));
    if (length === undefined) return line;
    const data = make("span", "data", hex ? payload(hex) : "");
    if (!hex.startsWith("=") && hex.length / 2 < length && hex) data.append(" …");
    line.append(make("span", "size", length + (length === 1 ? " byte" : " bytes")), data);
    return line;
  }

  function wireLog(detail) {
    const lines = detail.w.map(wireLine);
    if (detail.n) {
      const cut = make("div", "note", make("span", "time", ""), make("span", "way", "·"),
        make("span", "text", `${detail.n} more lines are in the file of the case`));
      lines.splice(detail.a, 0, cut);
    }
    return make("div", "wire", ...lines);
  }

  function list(lines) {
    return make("ol", "events", ...lines.map(line => make("li", "", line)));
  }

  function titled(title, element) {
    return make("div", "", make("h4", "", title), element);
  }

  // show adds what the data has of an agent's case to its section.
  function show(section, detail) {
    if (!detail) return;
    const facts = make("dl");
    for (const [name, value] of detail.f ?? []) facts.append(make("dt", "", name), make("dd", "", value));
    section.append(titled("Connection", facts));
    const events = make("div", "sides");
    for (const [grade, ...lines] of detail.x ?? []) {
      events.append(titled(`Expected for ${grade}`, lines.length ? list(lines) : make("pre", "", "nothing")));
    }
    if (detail.v || detail.x) {
      events.append(titled("Received", detail.v ? list(detail.v) : make("pre", "", "nothing")));
      section.append(events);
    }
    if (detail.w) section.append(titled("On the wire (→ from the kit, ← to it)", wireLog(detail)));
    const sides = make("div", "sides");
    if (detail.q) sides.append(titled("Request", make("pre", "", detail.q.trimEnd())));
    if (detail.s) sides.append(titled("Response", make("pre", "", detail.s.trimEnd())));
    if (sides.childElementCount) section.append(sides);
  }

  for (const { element, id } of cases) {
    element.addEventListener("toggle", () => {
      if (!element.open || element.shown) return;
      element.shown = true;
      for (const section of element.querySelectorAll("[data-agent]")) show(section, data[id]?.[section.dataset.agent]);
    });
  }

  const form = document.querySelector("#filter");
  const [text, category, bad, output] = ["#text", "#category", "#bad", "#shown"].map(id => form.querySelector(id));

  // matches tells whether a case has a word, or is what the word numbers: 6 and 6.4 stand for all cases below.
  function matches(c, word) {
    if ((c.id.toLowerCase() + ".").startsWith(word.replace(/[.*]*$/, "."))) return true;
    return /^\d+(\.\d*)+\*?$|^\d{1,2}$/.test(word) ? false : c.text.includes(word);
  }

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const c of cases) {
      const shown = (!bad.checked || c.bad) && (!category.value || c.id.split(".")[0] === category.value)
        && words.every(word => matches(c, word));
      c.element.hidden = !shown;
      if (shown) count++;
    }
    for (const section of sections) section.hidden = !section.querySelector("details:not([hidden])");
    output.value = count === cases.length ? `${count} cases` : `${count} of ${cases.length} cases`;
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  filter();

  // A link to a case, such as index.html#6.4.1, opens it.
  function follow() {
    const element = document.getElementById("case-" + decodeURIComponent(location.hash.slice(1)));
    if (!element) return;
    element.hidden = false;
    element.open = true;
    element.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  follow();
})();
