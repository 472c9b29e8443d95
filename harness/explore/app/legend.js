// What the colours mean, with the number of points shown of each.
function showLegend(colouring, shown) {
  const box = byId("legend");
  if (colouring.ends) {
    const bar = make("div", "", "ramp");
    bar.style.background = `linear-gradient(90deg, ${ramp.join(", ")})`;
    const ends = make("div", "", "ends");
    ends.append(...colouring.ends.map((text) => make("span", text)));
    box.replaceChildren(bar, ends);
    if (colouring.undefined) box.append(entry(GREY, "undefined"));
    return;
  }
  const numbers = new Uint32Array(colouring.palette.length);
  for (const i of shown) numbers[colouring.index[i]]++;
  const list = make("ul");
  list.append(...colouring.key.map((text, k) => entry(colouring.palette[k], text, numbers[k], "li")));
  box.replaceChildren(list);
}

function entry(colour, text, n, kind = "div") {
  const line = make(kind);
  const swatch = make("span", "", "swatch");
  swatch.style.background = colour;
  line.append(swatch, make("span", text));
  if (n !== undefined) line.append(make("span", count(n), "number"));
  if (kind === "div") line.className = "check";
  return line;
}
