"use strict";
// Tables that can be sorted and searched, and charts that can be pointed at and chosen from. Nothing is loaded.

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const number = text => {
    const found = text.replace(/,/g, "").match(/^[^0-9.+-]*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)/i);
    return found ? Number(found[1]) : NaN;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keys = new Map(rows.map(row => [row, row.cells[column].textContent]));
      const numeric = rows.filter(row => !Number.isNaN(number(keys.get(row)))).length > rows.length / 2;
      const last = value => Number.isNaN(value) ? (up ? Infinity : -Infinity) : value;
      rows.sort((a, b) => {
        const order = numeric
          ? (x => y => x < y ? -1 : x > y ? 1 : 0)(last(number(keys.get(a))))(last(number(keys.get(b))))
          : keys.get(a).localeCompare(keys.get(b), undefined, {numeric: true});
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
  const label = document.createElement("label"), input = document.createElement("input");
  label.className = "search";
  input.type = "search";
  label.append("Show rows with ", input);
  table.parentElement.before(label);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
  });
}

for (const figure of document.querySelectorAll("figure.chart")) chart(figure);

function chart(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const lines = data.lines.map(([labels, colour, dash, xs, ys, bold]) => ({labels, colour, dash, xs, ys, bold, shown: true}));
  const HEIGHT = 340, LEFT = 62, RIGHT = 20, TOP = 10, BOTTOM = 40;
  let WIDTH = 720;
  const svg = make("svg", {tabindex: 0, role: "img"});
  const said = document.createElement("output");
  said.setAttribute("aria-live", "polite");
  const choices = document.createElement("div");
  figure.prepend(choices, svg, said);
  const caption = figure.querySelector("figcaption").textContent;
  svg.setAttribute("aria-label", `${caption}. Arrow keys: up and down choose a line, left and right a point.`);

  const kinds = new Map();
  for (const line of lines) {
    for (const [kind, value] of Object.entries(line.labels)) {
      if (!kinds.has(kind)) kinds.set(kind, new Map());
      kinds.get(kind).set(value, true);
    }
  }
  const many = lines.length > 150;
  for (const [kind, values] of kinds) {
    if (values.size < 2) continue;
    const set = document.createElement("fieldset"), legend = document.createElement("legend");
    legend.textContent = kind;
    set.append(legend);
    for (const value of values.keys()) {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !(many && kind === "line" && value === "seeds");
      values.set(value, box.checked);
      box.addEventListener("change", () => { values.set(value, box.checked); draw(); });
      label.append(box, ` ${value}`);
      if (kind === "network") {
        const line = lines.find(each => each.labels.network === value);
        label.style.borderBottom = `2px solid ${visible(line.colour)}`;
      }
      set.append(label);
    }
    choices.append(set);
  }

  let drawn = [], at = null;  // the lines on the page with their places, and the line and point that are chosen

  function draw() {
    drawn = [];
    at = null;
    WIDTH = Math.max(280, Math.min(720, figure.clientWidth));
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren();
    said.textContent = "";
    const shown = lines.filter(line => Object.entries(line.labels).every(([kind, value]) => kinds.get(kind).get(value)));
    const good = y => y !== null && (!data.log || y > 0);
    let [low, high, right] = [Infinity, -Infinity, 1];
    for (const line of shown) {
      line.ys.forEach((y, n) => { if (good(y)) { low = Math.min(low, y); high = Math.max(high, y); right = Math.max(right, line.xs[n]); } });
    }
    if (low === Infinity) { svg.append(make("text", {x: LEFT, y: HEIGHT / 2}, "no line is chosen, or none has a value")); return; }
    for (const level of Object.values(data.levels)) if (good(level)) { low = Math.min(low, level); high = Math.max(high, level); }
    if (high === low) { high = low + Math.abs(low || 1) * 0.1; low -= Math.abs(low || 1) * 0.1; }
    const scale = y => data.log ? Math.log10(y) : y;
    const [bottom, top] = [scale(low), scale(high)];
    const px = x => LEFT + x / right * (WIDTH - LEFT - RIGHT);
    const py = y => TOP + (top - scale(y)) / (top - bottom) * (HEIGHT - TOP - BOTTOM);
    for (const x of ticks(0, right, WIDTH / 110)) {
      svg.append(make("line", {x1: px(x), x2: px(x), y1: TOP, y2: HEIGHT - BOTTOM, class: "grid"}));
      svg.append(make("text", {x: px(x), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle"}, short(x)));
    }
    for (const y of data.log ? powers(low, high) : ticks(low, high, 6)) {
      svg.append(make("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y), class: "grid"}));
      svg.append(make("text", {x: LEFT - 5, y: py(y) + 4, "text-anchor": "end"}, short(y)));
    }
    svg.append(make("text", {x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle"}, data.x));
    svg.append(make("text", {transform: `translate(13 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle"}, data.y));
    for (const [name, level] of Object.entries(data.levels)) {
      if (!good(level)) continue;
      svg.append(make("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: py(level), y2: py(level), class: "level"}));
      svg.append(make("text", {x: WIDTH - RIGHT, y: py(level) - 3, "text-anchor": "end"}, name));
    }
    for (const line of shown.sort((a, b) => a.bold - b.bold)) {
      let path = "", pen = "M";
      const points = [];
      line.ys.forEach((y, n) => {
        if (!good(y)) { pen = "M"; return; }
        const point = [px(line.xs[n]), py(y), n];
        points.push(point);
        path += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
        pen = "L";
      });
      if (points.length === 1) path += "h2";
      const element = make("path", {d: path, stroke: visible(line.colour), "stroke-dasharray": line.dash.join(" ")});
      if (line.bold) element.classList.add("bold");
      svg.append(element);
      drawn.push({line, points, element});
    }
  }

  function choose(index, point) {
    if (at) drawn[at[0]].element.classList.remove("on");
    const {line, points, element} = drawn[index];
    point = Math.max(0, Math.min(points.length - 1, point));
    if (!points.length) return;
    at = [index, point];
    element.classList.add("on");
    const n = points[point][2];
    const words = Object.entries(line.labels).map(([kind, value]) => `${kind} ${value}`).join(", ");
    said.textContent = `${words}: ${data.x} ${line.xs[n]}, ${data.y} ${line.ys[n]}`;
  }

  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), ratio = WIDTH / box.width;
    const x = (event.clientX - box.left) * ratio, y = (event.clientY - box.top) * ratio;
    let best = [900, null];
    drawn.forEach(({points}, index) => points.forEach(([px, py], n) => {
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < best[0]) best = [far, [index, n]];
    }));
    if (best[1]) choose(...best[1]);
  });
  svg.addEventListener("keydown", event => {
    const step = {ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1]}[event.key];
    if (!step || !drawn.length) return;
    event.preventDefault();
    if (!at) { choose(drawn.length - 1, 0); return; }
    choose((at[0] + step[0] + drawn.length) % drawn.length, at[1] + step[1]);
  });
  addEventListener("resize", () => { if (Math.min(720, figure.clientWidth) !== WIDTH) draw(); });
  draw();
}

function make(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function visible(colour) {
  return colour.toLowerCase() === "#000000" ? "currentColor" : colour;
}

function ticks(low, high, about) {
  const raw = (high - low) / about, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(n => n * power).find(each => each >= raw);
  const all = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) all.push(n * step);
  return all;
}

function powers(low, high) {
  const all = [];
  for (let n = Math.floor(Math.log10(low)); n <= Math.ceil(Math.log10(high)); n++) {
    for (const factor of Math.log10(high / low) < 2.5 ? [1, 2, 5] : [1]) {
      const value = factor * 10 ** n;
      if (value >= low && value <= high) all.push(value);
    }
  }
  return all;
}

function short(value) {
  return Number(value.toPrecision(3)).toString();
}
