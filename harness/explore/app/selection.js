// Points chosen by lasso, click or button: a table, and the same as CSV. They stay chosen in every view.
const ROWS = 200; // of the table on the page; the CSV has all
const selected = new Set();

function chosenPoints() {
  const plate = columns.plate.codes;
  const well = columns.well.codes; // numbered in order
  return [...selected].sort((a, b) => plate[a] - plate[b] || well[a] - well[b]);
}

function fields(view) {
  return [
    ...Object.keys(columns).map((name) => [name, (i) => textOf(name, i), (i) => textOf(name, i)]),
    ...Object.entries(view.scores).map(([name, values]) => [name, (i) => short(values[i]), (i) => number(values[i], 7)]),
  ];
}

const number = (value, digits) => (Number.isFinite(value) ? String(Number(value.toPrecision(digits))) : "");

// A spreadsheet takes text that begins like a formula for one; see harness/utils/spreadsheet_csv.py.
const isNumber = (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

function csv(view) {
  const own = [
    ...fields(view),
    ["norm", null, () => view.name],
    ["umap_1", null, (i) => number(coordinate(view, "x", i), 5)],
    ["umap_2", null, (i) => number(coordinate(view, "y", i), 5)],
  ];
  const inert = (text) => (/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) && !isNumber(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells) => cells.map(inert).map(quoted).join(",");
  return [line(own.map(([name]) => name)), ...chosenPoints().map((i) => line(own.map(([, , of]) => of(i))))].join("\r\n") + "\r\n";
}

function showSelection(view) {
  byId("selection").hidden = selected.size === 0;
  byId("copied").textContent = "";
  const rows = chosenPoints().slice(0, ROWS);
  const cut = selected.size > ROWS ? `; the first ${ROWS} are listed, the CSV has all` : "";
  byId("selected").textContent = `${count(selected.size)} ${UNIT} selected, black on the map${cut}`;
  const table = make("table");
  const head = make("tr");
  head.append(...fields(view).map(([name]) => make("th", name)));
  const body = rows.map((i) => {
    const line = make("tr");
    line.append(...fields(view).map(([, of]) => make("td", of(i))));
    return line;
  });
  table.createTHead().append(head);
  table.createTBody().append(...body);
  byId("table").replaceChildren(table);
}

function saveSelection(view) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([csv(view)], { type: "text/csv" }));
  link.download = "selection.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The clipboard interface is closed to a framed page; the older command is not.
function copySelection(view) {
  const area = make("textarea", csv(view));
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  byId("copied").textContent = done ? `${count(selected.size)} rows copied` : "This browser does not allow copying";
}
