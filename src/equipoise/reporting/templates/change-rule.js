"use strict";
// Shows the result that belongs to the choices made; every number and text was computed when the report was written.
for (const box of document.querySelectorAll(".change")) {
  const data = JSON.parse(box.querySelector('script[type="application/json"]').textContent);
  const groups = [...box.querySelectorAll("fieldset")];
  const measure = box.querySelector(".measure"), effect = box.querySelector(".effect");
  const changed = box.querySelector(".changed"), cells = [...box.querySelectorAll("dd")];
  const chart = box.querySelector(".curve");
  const NS = "http://www.w3.org/2000/svg";
  const slider = (group) => group.querySelector('input[type="range"]');
  const picked = () => groups.map((g) => slider(g) ? slider(g).value : g.querySelector("input:checked").value);

  function add(name, attributes, text) {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    chart.append(made);
  }

  function draw(key) {
    chart.replaceChildren();
    const pair = data.curves[key];
    if (!pair) return;
    const left = 44, right = 548, top = 12, bottom = 214;
    const x = (t) => left + (right - left) * Math.min(t / data.end, 1), y = (s) => bottom - (bottom - top) * s / 1000;
    for (const share of [0, 250, 500, 750, 1000]) {
      add("line", { x1: left, x2: right, y1: y(share), y2: y(share), class: share ? "s-hair" : "s-ink", stroke: "currentColor" });
      add("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end", "font-size": 11.5, class: "f-muted" }, share / 10 + "%");
    }
    const weeks = [7, 14, 28, 56, 84, 182, 364].find((step) => data.end / step <= 8) || 364;
    for (let t = 0; t <= data.end; t += weeks) {
      add("line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4, class: "s-ink", stroke: "currentColor" });
      add("text", { x: x(t), y: bottom + 17, "text-anchor": "middle", "font-size": 11.5, class: "f-muted" }, t);
    }
    add("text", { x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle", "font-size": 11.5, class: "f-muted" }, "days");
    if (data.stamp) {
      add("text", { x: right, y: 10, "text-anchor": "end", "font-size": 10.5, "font-weight": 600, "letter-spacing": 0.8, class: "f-amber" }, data.stamp);
    }
    pair.forEach(([time, survival, lower, upper], arm) => {
      const token = data.arms[arm][1];
      const steps = (values) => {
        let path = `M${x(0)},${y(1000)}`, last = 1000;
        time.forEach((t, i) => {
          const value = values[i] === null ? survival[i] : values[i];
          path += `H${x(t)}V${y(value)}`;
          last = value;
        });
        return path + `H${right}`;
      };
      const back = (values) => {
        let path = "";
        for (let i = time.length - 1; i >= 0; i--) {
          const value = values[i] === null ? survival[i] : values[i];
          path += `V${y(value)}H${x(time[i])}`;
        }
        return path + `V${y(1000)}Z`;
      };
      add("path", { d: steps(upper) + back(lower), class: `f-${token}`, "fill-opacity": 0.13 });
      add("path", { d: steps(survival), class: `s-${token}`, fill: "none", "stroke-width": 2 });
    });
  }

  function show() {
    const choice = picked(), key = choice.join("."), found = data.results[key];
    groups.forEach((group, k) => {
      const range = slider(group);
      if (range) {
        const name = data.axes[k][1][range.value];
        group.querySelector("output").textContent = name + (+range.value === data.axes[k][0] ? " (planned)" : "");
        range.setAttribute("aria-valuetext", name);
        return;
      }
      for (const input of group.querySelectorAll("input")) {
        const other = [...choice];
        other[k] = input.value;
        const there = other.join(".") in data.results;
        input.disabled = !there;
        input.parentElement.classList.toggle("off", !there);
      }
    });
    const count = choice.filter((value, k) => +value !== data.axes[k][0]).length;
    changed.textContent = count === 0 ? "As planned" : count === 1 ? "One choice changed from the plan" : `${count} choices changed from the plan`;
    changed.classList.toggle("is-changed", count > 0);
    if (!found) {
      effect.textContent = "not computed";
      return;
    }
    measure.textContent = found[0];
    effect.textContent = found[1];
    cells.forEach((cell, k) => { cell.textContent = found[2][k]; });
    if (chart) draw(found[3]);
  }

  function reset() {
    groups.forEach((group, k) => {
      if (slider(group)) slider(group).value = data.axes[k][0];
      else group.querySelectorAll("input")[data.axes[k][0]].checked = true;
    });
    show();
  }

  box.addEventListener("change", show);
  box.addEventListener("input", show);
  box.querySelector("button").addEventListener("click", reset);
  box.hidden = false;
  reset();
}
