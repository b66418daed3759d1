
"use strict";
// Every text of a report goes into the page by textContent and as a value of an option: nothing here parses HTML.
(() => {
  const PAGE = 100;
  const { kinds, tables, rows } = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const [search, cause, file, chips, list] = ["search", "cause", "file", "kinds", "rows"].map(at);
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

  function choices() {
    const counts = counted((row) => [row.kind]);
    for (const [kind, [title]] of Object.entries(kinds)) {
      if (!counts.has(kind)) continue;
      const box = element("input");
      box.type = "checkbox";
      box.value = kind;
      chips.append(add(element("label", "chip"), box, `${title} ${counts.get(kind)}`));
    }
  }

  // Of each value of a field after its name: the title and the style of its column.
  function columns(row) {
    return tables[row.kind] || tables[""];
  }

  function cells(row, causes) {
    const kept = columns(row).map(([, style]) => style.startsWith("cause") === causes);
    return row.fields.flatMap(([, ...values]) => values.filter((_, place) => kept[place]));
  }

  function words(row) {
    // Made once, when it is first looked for.
    if (row.words === undefined) {
      const names = row.fields.map(([name]) => name);
      row.words = [row.address, row.id, row.at, kinds[row.kind][0], ...row.facts, ...row.said, ...names, ...cells(row, false)].join("\n").toLowerCase();
    }
    return row.words;
  }

  function filter() {
    const wanted = search.value.toLowerCase().split(" ").filter(Boolean);
    const only = new Set([...chips.querySelectorAll("input:checked")].map((box) => box.value));
    found = rows.filter((row) =>
      (!only.size || only.has(row.kind)) &&
      (!file.value || file.value === `=${row.file}`) &&
      (!cause.value || cells(row, true).some((one) => cause.value === `=${one}`)) &&
      wanted.every((word) => words(row).includes(word)));
    page = 0;
    show();
  }

  function value(style, spoken, text) {
    if (style.startsWith("cause")) return element("td", "cause", text);
    return add(element("td"), element("span", "spoken", spoken), element("span", `mono ${style}`, text));
  }

  function table(row) {
    const shown = [["Field", "field"], ...columns(row)];
    const head = element("tr");
    for (const [title] of shown) {
      const cell = element("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    const body = element("tbody");
    for (const [name, ...values] of row.fields) {
      const cell = element("th", "mono", name);
      cell.scope = "row";
      const line = add(element("tr"), cell);
      for (const [place, text] of values.entries()) {
        const [title, style] = shown[place + 1];
        line.append(value(style, values.length > 1 ? `${title.toLowerCase()}: ` : "", text));
      }
      body.append(line);
    }
    const widths = shown.map(([, style]) => element("col", style));
    // What is old and what is new is seen by its colour; a third value needs its heading.
    const apart = shown.some(([, style]) => style === "other") ? "apart" : "";
    return add(element("table", apart), add(element("colgroup"), ...widths), add(element("thead"), head), body);
  }

  function card(row) {
    const [title, tone] = kinds[row.kind];
    const head = add(element("div", "head"), element("span", `tag ${tone}`, title), element("h3", "mono", row.address));
    if (row.id) head.append(element("span", "facts mono", row.id));
    for (const fact of row.facts) head.append(element("span", "facts", fact));
    if (row.at) head.append(element("span", "at mono", row.at));
    const body = element("div", "body");
    for (const text of row.said) body.append(element("p", "", text));
    if (row.fields.length) body.append(table(row));
    const item = add(element("li", "change"), head, body);
    item.dataset.kind = row.kind;
    return item;
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

  options(cause, counted((row) => cells(row, true)));
  options(file, counted((row) => [row.file]));
  choices();
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
