"use strict";
// Tables that can be sorted and searched, charts that can be pointed at and chosen from, films. Nothing is loaded.

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
for (const figure of document.querySelectorAll("figure.film")) film(figure);

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

function film(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent), last = data.updates.length - 1;
  const WIDTH = 300, LEFT = 54, RIGHT = 12, TOP = 6, BOTTOM = 34;
  const bar = document.createElement("div"), button = document.createElement("button");
  const slider = document.createElement("input"), said = document.createElement("output");
  const stage = document.createElement("div");
  bar.className = "bar";
  stage.className = "stage";
  button.type = "button";
  Object.assign(slider, {type: "range", min: 0, max: last, value: 0});
  slider.setAttribute("aria-label", "update");
  bar.append(button, slider, said);
  figure.prepend(bar, stage);

  function panel(about, height, xmax, [low, high], log, xlabel, ylabel) {
    const svg = make("svg", {viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": about});
    const px = x => LEFT + x / (xmax || 1) * (WIDTH - LEFT - RIGHT);
    const py = y => TOP + (high - y) / (high - low || 1) * (height - TOP - BOTTOM);
    for (const x of ticks(0, xmax || 1, 4)) {
      svg.append(make("text", {x: px(x), y: height - BOTTOM + 13, "text-anchor": "middle"}, short(x)));
    }
    for (const y of log ? powers(10 ** low, 10 ** high).map(Math.log10) : ticks(low, high, 4)) {
      svg.append(make("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y), class: "grid"}));
      svg.append(make("text", {x: LEFT - 4, y: py(y) + 4, "text-anchor": "end"}, short(log ? 10 ** y : y)));
    }
    svg.append(make("text", {x: (LEFT + WIDTH) / 2, y: height - 5, "text-anchor": "middle"}, xlabel));
    svg.append(make("text", {transform: `translate(10 ${(height - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle"}, ylabel));
    const trace = (xs, ys) => {
      let path = "", pen = "M";
      ys.forEach((y, n) => {
        if (y === null) { pen = "M"; return; }
        path += `${pen}${px(xs[n]).toFixed(1)} ${py(y).toFixed(1)}`;
        pen = "L";
      });
      return path;
    };
    return {svg, trace, px, py};
  }

  function curve(svg, attributes) {
    const path = make("path", attributes);
    svg.append(path);
    return path;
  }

  const scale = y => y === null ? null : data.log ? Math.log10(y) : y;
  const tracks = data.tracks.map(track => {
    const box = document.createElement("div"), name = document.createElement("h3"), colour = visible(track.colour);
    const lags = track.lags, end = lags[lags.length - 1];
    const above = panel(`${track.label}: ${data.y}`, 210, end, [data.edge, data.top], true, data.x, data.y);
    const below = panel(`${track.label}: ${data.metric}`, 120, data.updates[last], [scale(data.low), scale(data.high)], data.log, "update", data.metric);
    curve(above.svg, {d: above.trace(lags, track.norms[0][1]), class: "first"});
    if (data.floor !== null) {
      const y = below.py(scale(data.floor));
      below.svg.append(make("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, class: "level"}));
    }
    const looks = {fill: colour, class: "band"}, bold = {stroke: colour, class: "bold"};
    const parts = [above, below].map(({svg}) => [curve(svg, looks), curve(svg, bold)]);
    const dot = make("circle", {r: 3.5, fill: colour});
    below.svg.append(dot);
    box.append(name, above.svg, below.svg);
    stage.append(box);
    return {track, name, above, below, parts, dot, lags};
  });

  function outline(trace, xs, low, high) {
    const kept = xs.map((x, n) => n).filter(n => low[n] !== null && high[n] !== null);
    const back = [...kept].reverse();
    return kept.length ? trace([...kept, ...back].map(n => xs[n]), [...kept.map(n => low[n]), ...back.map(n => high[n])]) : "";
  }

  function show(n) {
    const update = data.updates[n];
    slider.value = n;
    said.textContent = `update ${update.toLocaleString("en")} of ${data.updates[last].toLocaleString("en")}`;
    slider.setAttribute("aria-valuetext", said.textContent);
    for (const {track, name, above, below, parts, dot, lags} of tracks) {
      const [low, middle, high] = track.norms[n];
      parts[0][0].setAttribute("d", outline(above.trace, lags, low, high));
      parts[0][1].setAttribute("d", above.trace(lags, middle));
      const until = track.evaluations.filter(each => each <= update).length, xs = track.evaluations.slice(0, until);
      const [least, median, most] = [0, 1, 2].map(k => track.values.slice(0, until).map(point => scale(point[k])));
      parts[1][0].setAttribute("d", outline(below.trace, xs, least, most));
      parts[1][1].setAttribute("d", below.trace(xs, median));
      const at = median.findLastIndex(y => y !== null);
      dot.style.display = at < 0 ? "none" : "";
      if (at >= 0) { dot.setAttribute("cx", below.px(xs[at])); dot.setAttribute("cy", below.py(median[at])); }
      name.textContent = track.solved !== null && update >= track.solved ? `${track.label}: solved` : track.label;
    }
  }

  let clock = null;
  function stop() {
    clearInterval(clock);
    clock = null;
    button.textContent = "Play";
  }
  button.addEventListener("click", () => {
    if (clock !== null) { stop(); return; }
    if (Number(slider.value) === last) show(0);
    button.textContent = "Pause";
    clock = setInterval(() => {
      if (Number(slider.value) === last) { stop(); return; }
      show(Number(slider.value) + 1);
    }, data.milliseconds);
  });
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  stop();
  show(0);
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
  const all = [], step = Math.max(1, Math.ceil(Math.log10(high / low) / 8));
  for (let n = Math.ceil(Math.floor(Math.log10(low)) / step) * step; n <= Math.ceil(Math.log10(high)); n += step) {
    for (const factor of Math.log10(high / low) < 2.5 ? [1, 2, 5] : [1]) {
      const value = factor * 10 ** n;
      if (value >= low && value <= high) all.push(value);
    }
  }
  return all;
}

function short(value) {
  const rounded = Number(value.toPrecision(3));
  return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential() : rounded.toString();
}
