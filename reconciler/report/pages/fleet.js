"use strict";
// Every text goes into the page by textContent: nothing here parses HTML.
(() => {
  const PAGE = 100;
  const STATE = 1;
  const [LABELS, MESSAGE] = [11, 12];
  const { now, states, rows } = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const worst = Object.keys(states);
  // Title, kind, and which way a first click sorts.
  const columns = [
    ["Account", "name", 1], ["State", "state", 1], ["Since", "ago", 1], ["Last check", "ago", 1], ["Last success", "ago", 1],
    ["Customers", "number", -1], ["Drifted", "number", -1], ["Not applied", "number", -1], ["Blocked", "number", -1],
    ["Failures", "number", -1], ["Requests", "number", -1],
  ];
  let found = rows;
  let page = 0;
  let sorted = [STATE, 1];

  function element(name, kind, text) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function ago(seconds) {
    if (!seconds) return "never";
    const passed = Math.max(0, now - seconds);
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) if (passed >= 2 * length) return `${Math.floor(passed / length)} ${unit} ago`;
    return `${passed} s ago`;
  }

  function key(row, place) {
    return place === STATE ? worst.indexOf(row[STATE]) : row[place];
  }

  function compared(a, b) {
    const [place, way] = sorted;
    const [left, right] = [key(a, place), key(b, place)];
    if (left !== right) return (left < right ? -1 : 1) * way;
    // As the page came: the longest in its state first, then by name.
    return a[2] - b[2] || (a[0] < b[0] ? -1 : 1);
  }

  function words(row) {
    return `${row[0]}\n${row[STATE]}\n${states[row[STATE]][0]}\n${row[LABELS].join("\n")}\n${row[MESSAGE]}`.toLowerCase();
  }

  function filter() {
    const wanted = at("search").value.toLowerCase().split(" ").filter(Boolean);
    const only = new Set([...at("states").querySelectorAll("input:checked")].map((box) => box.value));
    found = rows.filter((row) => (!only.size || only.has(row[STATE])) && (!wanted.length || wanted.every((word) => words(row).includes(word))));
    arrange();
  }

  function arrange() {
    found = [...found].sort(compared);
    page = 0;
    for (const [place, cell] of [...at("columns").children].entries()) {
      cell.setAttribute("aria-sort", place !== sorted[0] ? "none" : sorted[1] > 0 ? "ascending" : "descending");
    }
    show();
  }

  function cell(row, place) {
    const kind = columns[place][1];
    if (kind === "state") {
      const [title, look] = states[row[place]];
      const made = element("td");
      made.append(element("span", `tag ${look}`, title));
      return made;
    }
    if (kind === "ago") {
      const made = element("td", "ago", ago(row[place]));
      if (row[place]) made.title = new Date(row[place] * 1000).toISOString();
      return made;
    }
    if (kind === "number") return element("td", "number", row[place] ? String(row[place]) : "");
    const made = element("th", "", row[place]);
    made.scope = "row";
    for (const text of [row[LABELS].join(" "), row[MESSAGE]]) if (text) made.append(element("span", "more facts", text));
    return made;
  }

  function line(row) {
    const made = element("tr");
    made.dataset.state = row[STATE];
    made.append(...columns.map((_, place) => cell(row, place)));
    return made;
  }

  function show(all) {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const shown = all ? found : found.slice(page * PAGE, (page + 1) * PAGE);
    at("rows").replaceChildren(...shown.map(line));
    at("count").textContent = found.length === rows.length ? `${rows.length} accounts` : `${found.length} of ${rows.length} accounts`;
    at("pages").hidden = pages === 1;
    at("page").textContent = `Page ${page + 1} of ${pages}`;
    at("previous").disabled = page === 0;
    at("next").disabled = page === pages - 1;
  }

  function turn(by) {
    page += by;
    show();
    at("list").focus({ preventScroll: true });
    at("count").scrollIntoView();
  }

  for (const [place, [title, kind, first]] of columns.entries()) {
    const made = element("th", kind === "number" ? "number" : "");
    made.scope = "col";
    const button = element("button", "", title);
    button.type = "button";
    button.addEventListener("click", () => {
      sorted = [place, sorted[0] === place ? -sorted[1] : first];
      arrange();
    });
    made.append(button);
    at("columns").append(made);
  }
  for (const state of worst) {
    const number = rows.filter((row) => row[STATE] === state).length;
    if (!number) continue;
    const box = element("input");
    box.type = "checkbox";
    box.value = state;
    const chip = element("label", "chip");
    chip.append(box, `${states[state][0]} ${number}`);
    at("states").append(chip);
  }
  at("filters").hidden = rows.length === 0;
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("input", filter);
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      at("search").focus();
    } else if (event.key === "Escape" && event.target === at("search")) {
      at("search").value = "";
      filter();
    }
  });
  // On paper there are no pages to turn.
  window.addEventListener("beforeprint", () => show(true));
  window.addEventListener("afterprint", () => show());
  arrange();
})();
