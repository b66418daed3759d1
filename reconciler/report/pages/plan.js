
"use strict";
// Every text of a plan goes into the page by textContent and as a value of an option: nothing here parses HTML.
(() => {
  const PAGE = 100;
  const { titles, rows } = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const [search, cause, file, actions, list] = ["search", "cause", "file", "actions", "rows"].map(at);
  let found = rows;
  let page = 0;

  function element(name, kind, text) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function add(parent, ...children) {
    parent.append(...children);
    return parent;
  }

  function counted(key) {
    const counts = new Map();
    for (const row of rows) for (const one of new Set(key(row))) counts.set(one, (counts.get(one) || 0) + 1);
    return counts;
  }

  function options(select, counts) {
    for (const [value, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const option = element("option", "", `${value || "none"} (${count})`);
      option.value = `=${value}`;
      select.append(option);
    }
  }

  function chips() {
    const counts = counted((row) => [row.action]);
    for (const [action, title] of Object.entries(titles)) {
      if (!counts.has(action)) continue;
      const box = element("input");
      box.type = "checkbox";
      box.value = action;
      actions.append(add(element("label", "chip"), box, `${title} ${counts.get(action)}`));
    }
  }

  function words(row) {
    // Made once, when it is first looked for.
    if (row.words === undefined) {
      const fields = row.fields.flatMap(([name, before, after]) => [name, before, after]);
      row.words = [row.address, row.id, row.at, titles[row.action], ...row.facts, ...row.said, ...fields].join("\n").toLowerCase();
    }
    return row.words;
  }

  function filter() {
    const wanted = search.value.toLowerCase().split(" ").filter(Boolean);
    const only = new Set([...actions.querySelectorAll("input:checked")].map((box) => box.value));
    found = rows.filter((row) =>
      (!only.size || only.has(row.action)) &&
      (!file.value || file.value === `=${row.file}`) &&
      (!cause.value || row.fields.some((one) => cause.value === `=${one[3]}`)) &&
      wanted.every((word) => words(row).includes(word)));
    page = 0;
    show();
  }

  function value(kind, spoken, text) {
    return add(element("td"), element("span", "gone", spoken), element("span", `mono ${kind}`, text));
  }

  function table(row) {
    const compared = row.action === "patch";
    const headings = ["Field", ...(compared ? ["Before", "After", "Cause"] : ["Value"])];
    const head = element("tr");
    for (const title of headings) {
      const cell = element("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    const body = element("tbody");
    for (const [name, before, after, why] of row.fields) {
      const cell = element("th", "mono", name);
      cell.scope = "row";
      const line = add(element("tr"), cell);
      if (compared) line.append(value("old", "before: ", before));
      line.append(value("new", compared ? "after: " : "", after));
      if (compared) line.append(element("td", "cause", why));
      body.append(line);
    }
    const columns = headings.map((title) => element("col", title.toLowerCase()));
    return add(element("table"), add(element("colgroup"), ...columns), add(element("thead", "gone"), head), body);
  }

  function card(row) {
    const head = add(element("div", "head"), element("span", "tag", titles[row.action]), element("h3", "mono", row.address));
    if (row.id) head.append(element("span", "facts mono", row.id));
    for (const fact of row.facts) head.append(element("span", "facts", fact));
    if (row.at) head.append(element("span", "at mono", row.at));
    const body = element("div", "body");
    for (const text of row.said) body.append(element("p", "", text));
    if (row.fields.length) body.append(table(row));
    return add(element("li", `change ${row.action}`), head, body);
  }

  function show(all) {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const shown = all ? found : found.slice(page * PAGE, (page + 1) * PAGE);
    list.replaceChildren(...shown.map(card));
    at("count").textContent = found.length === rows.length ? `${rows.length} entries` : `${found.length} of ${rows.length} entries`;
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

  function key(event) {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      filter();
    }
  }

  options(cause, counted((row) => (row.action === "patch" ? row.fields.map((one) => one[3]) : [])));
  options(file, counted((row) => [row.file]));
  chips();
  at("filters").hidden = rows.length === 0;
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("input", filter);
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", key);
  // On paper there are no pages to turn.
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    show(true);
  });
  window.addEventListener("afterprint", () => show());
  show();
})();
