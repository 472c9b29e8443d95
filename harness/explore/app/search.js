// Compounds by name: a whole name means that compound alone, a part of it all that contain it.
const OFFERED = 50;

function setUpSearch(changed) {
  if (!columns.compound) {
    byId("search-box").hidden = true;
    return;
  }
  const lower = columns.compound.values.map((name) => name.toLowerCase());
  byId("search").addEventListener("input", ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    const whole = lower.includes(wanted);
    const hits = lower.map((name) => Number(wanted !== "" && (whole ? name === wanted : name.includes(wanted))));
    state.compounds = wanted === "" ? null : Uint8Array.from(hits);
    const names = columns.compound.values.filter((_, code) => hits[code]);
    byId("matches").replaceChildren(...names.slice(0, OFFERED).map(option));
    byId("found").textContent = wanted === "" ? "" : summary(names);
    changed();
  });
}

function option(name) {
  const element = document.createElement("option");
  element.value = name;
  return element;
}

function summary(names) {
  if (!names.length) return "No compound has this in its name.";
  const more = names.length > 3 ? ` and ${count(names.length - 3)} more` : "";
  return `${count(names.length)} ${names.length > 1 ? "compounds" : "compound"}: ${names.slice(0, 3).join(", ")}${more}`;
}
