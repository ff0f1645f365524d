"use strict";
// Shows the days of the row of a heat map that is pointed at or chosen; all of it is read from the table below the map.
for (const box of document.querySelectorAll(".days")) {
  const NS = "http://www.w3.org/2000/svg";
  const look = box.querySelector(".look"), range = box.querySelector('input[type="range"]'), chart = box.querySelector(".calendar");
  const arms = [...box.querySelectorAll("tbody")], radios = [...box.querySelectorAll('input[type="radio"]')];
  const heads = [...box.querySelectorAll("thead th")].map((head) => head.textContent);
  const nSources = +box.dataset.sources, first = +box.dataset.first;
  const definitions = [...box.querySelectorAll("thead .definition")].length;
  const map = document.getElementById(box.dataset.figure).querySelector("svg");
  const fields = arms.map((_, k) => map.querySelector(`.field-${k}`));
  const words = { "+": "use", "-": "no use", "o": "unclear", "_": "nothing looked at" };
  const rows = arms.map((arm) => [...arm.querySelectorAll("tr:not(.group)")]);
  const marker = document.createElementNS(NS, "rect");
  for (const [key, value] of Object.entries({ fill: "none", stroke: "currentColor", "stroke-width": 1.6, class: "s-ink", "pointer-events": "none" })) marker.setAttribute(key, value);
  map.append(marker);

  function add(name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    chart.append(made);
    return made;
  }

  function unpack(text) {
    let out = "";
    for (const [, letter, n] of text.matchAll(/([_+o-])(\d*)/g)) out += letter.repeat(n ? +n : 1);
    return out;
  }

  function dayOf(k) {
    const day = first + k;
    return first < 0 && day >= 0 ? day + 1 : day;  // there is no study day 0
  }

  function draw(sources) {
    chart.replaceChildren();
    const n = sources[0].length, wide = 28, size = 18, left = 46;
    chart.setAttribute("viewBox", `0 0 ${left + wide * size + 2} ${Math.ceil(n / wide) * (size + 5) + 4}`);
    for (let k = 0; k < n; k++) {
      const x = left + (k % wide) * size, y = 2 + Math.floor(k / wide) * (size + 5);
      if (k % wide === 0) add("text", { x: left - 6, y: y + 13, "text-anchor": "end", "font-size": 11, class: "f-muted" }, `day ${dayOf(k)}`);
      const high = (size - 2) / sources.length;
      sources.forEach((letters, s) => {
        const letter = letters[k], token = { "+": "f-positive", "-": "f-negative" }[letter] || "f-paper";
        add("rect", { x, y: y + s * high, width: size - 2, height: high, class: token });
      });
      const frame = add("rect", { x, y, width: size - 2, height: size - 2, fill: "transparent", stroke: "currentColor", "stroke-width": 0.5, class: "s-rule frame" });
      const title = document.createElementNS(NS, "title");
      title.textContent = `Day ${dayOf(k)}: ` + sources.map((letters, s) => `${names[s]} ${words[letters[k]]}`).join("; ");
      frame.append(title);
    }
  }

  const offset = heads.length - definitions - nSources;
  const names = heads.slice(offset, offset + nSources).map((head) => head.replace(", by day", "").toLowerCase());

  function show() {
    const arm = +radios.find((radio) => radio.checked).value;
    range.max = rows[arm].length;
    const place = Math.min(+range.value, rows[arm].length);
    box.querySelector("output").textContent = place;
    range.setAttribute("aria-valuetext", `row ${place} of ${rows[arm].length}`);
    const cells = [...rows[arm][place - 1].children].map((cell) => cell.textContent);
    const named = offset > 2 ? ` (${cells[1]})` : "";
    const days = cells.slice(offset, offset + nSources).map(unpack);
    const used = days.map((letters, s) => {
      const found = [...letters].flatMap((letter, k) => letter === "+" ? [dayOf(k)] : []);
      return found.length ? `${names[s]} shows use on ${found.length === 1 ? "day" : "days"} ${found.join(", ")}` : `${names[s]} shows no use`;
    });
    box.querySelector(".who").textContent = `${arms[arm].dataset.name}, row ${place} of ${rows[arm].length}${named}: ${used.join("; ")}.`;
    const list = box.querySelector("dl");
    list.replaceChildren();
    for (let k = offset + nSources; k < cells.length; k++) {
      const pair = document.createElement("div"), term = document.createElement("dt"), said = document.createElement("dd");
      term.textContent = heads[k];
      said.textContent = cells[k];
      pair.append(term, said);
      list.append(pair);
    }
    draw(days);
    const field = fields[arm], high = field.height.baseVal.value / rows[arm].length;
    marker.setAttribute("x", field.x.baseVal.value - 2);
    marker.setAttribute("width", field.width.baseVal.value + 4);
    marker.setAttribute("y", field.y.baseVal.value + (place - 1) * high - 0.6);
    marker.setAttribute("height", Math.max(high, 2.5));
  }

  function point(event) {  // rules and labels lie above the fields: the place decides, not what was hit
    fields.forEach((field, arm) => {
      const area = field.getBoundingClientRect();
      const right = event.clientX >= area.left && event.clientX <= area.right;
      if (!right || event.clientY < area.top || event.clientY >= area.bottom) return;
      radios[arm].checked = true;
      range.max = rows[arm].length;
      range.value = Math.floor((event.clientY - area.top) / area.height * rows[arm].length) + 1;
      show();
    });
  }
  map.addEventListener("pointermove", point);
  map.addEventListener("pointerdown", point);
  box.addEventListener("input", show);
  box.addEventListener("change", show);
  radios[0].checked = true;
  range.value = 1;
  look.hidden = false;
  show();
}
