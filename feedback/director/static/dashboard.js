// The dashboard: reads /api/v1/services each second and /api/v1/events as they come. Text from the director only ever
// becomes text (textContent), so that nothing a server says can become markup.
"use strict";

const LOOK_MILLISECONDS = 1000;
const PAST_LOOKS = 120;
const MAX_EVENTS = 200;
const SURE_MILLISECONDS = 3000;
const MARKS = { up: "●", down: "▲", unknown: "◌" };
const ACTS = [["drain", "Drain"], ["maintenance", "Maintain"], ["enabled", "Enable"]];
const BOUNDS = {
  floor: "held at its floor",
  ceiling: "held at its ceiling",
  slow_start: "let in slowly",
  no_report: "no fresh report",
  settling: "it has just come in",
  idle: "too idle to learn from",
  tolerance: "what is written is within tolerance",
  scheduler: "the scheduler, which takes no shares, is told seldom, or gets short cycles",
};
const HEADINGS = ["Destination", "State", "Weight", "Load", "Last two minutes", "Connections", "Agent", "Why", ""];

const byId = (id) => document.getElementById(id);
const cards = new Map();
let token = "";
let lastLook = null;

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function makeGauge() {
  const gauge = make("div", "gauge");
  const track = make("div", "track");
  const fill = make("div", "fill");
  const number = make("span");
  track.append(fill);
  gauge.append(track, number);
  return { gauge, track, fill, number };
}

function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// One destination: its row, the row of details below it, and its past loads.
class Row {
  constructor(service, name) {
    this.path = `api/v1/services/${encodeURIComponent(service)}/destinations/${encodeURIComponent(name)}/admin`;
    this.past = [];
    this.element = make("tr");
    this.detail = make("tr", "detail");
    this.detail.hidden = true;
    this.mark = make("span", "mark");
    this.title = make("button", "", name);
    this.title.title = "why this weight, checks and metrics";
    this.title.setAttribute("aria-expanded", "false");
    this.title.addEventListener("click", () => this.toggle());
    this.address = make("div", "address");
    this.health = make("span", "health");
    this.admin = make("span", "badge");
    this.weight = makeGauge();
    this.base = make("div", "base");
    this.weight.track.append(this.base);
    this.load = makeGauge();
    this.line = svg("polyline", {});
    this.area = svg("polygon", {});
    this.connections = make("span");
    this.agent = make("span");
    this.why = make("td", "why");
    this.acts = make("td", "acts");
    this.build();
  }

  build() {
    const name = make("div", "name");
    name.append(this.mark, this.title);
    const picture = svg("svg", { class: "past", viewBox: `0 0 ${PAST_LOOKS - 1} 100`, preserveAspectRatio: "none" });
    picture.setAttribute("aria-hidden", "true");
    picture.append(svg("line", { x1: 0, x2: PAST_LOOKS - 1, y1: 100, y2: 100 }), this.area, this.line);
    const cells = [
      ["", name, this.address],
      ["state", this.health, this.admin],
      ["", this.weight.gauge],
      ["", this.load.gauge],
      ["hide-narrow", picture],
      ["number", this.connections],
      ["hide-narrow", this.agent],
    ];
    for (const [className, ...content] of cells) {
      const cell = make("td", className);
      cell.append(...content);
      this.element.append(cell);
    }
    this.element.append(this.why, this.acts);
    for (const [state, label] of ACTS) this.acts.append(this.button(state, label));
    const cell = make("td");
    cell.colSpan = HEADINGS.length;
    this.list = make("dl");
    cell.append(this.list);
    this.detail.append(cell);
  }

  // A change takes two clicks: at three in the morning the first one may be an accident.
  button(state, label) {
    const button = make("button", "", label);
    button.dataset.state = state;
    let timer = 0;
    const calm = () => {
      clearTimeout(timer);
      button.className = "";
      button.textContent = label;
    };
    button.addEventListener("click", () => {
      if (button.className === "sure") {
        calm();
        change(this.path, state);
      } else {
        button.className = "sure";
        button.textContent = `${label}: sure?`;
        timer = setTimeout(calm, SURE_MILLISECONDS);
      }
    });
    return button;
  }

  toggle() {
    this.detail.hidden = !this.detail.hidden;
    this.title.setAttribute("aria-expanded", String(!this.detail.hidden));
  }

  show(seen, scale) {
    this.element.className = `${seen.health}${seen.in_table ? "" : " gone"}`;
    put(this.mark, MARKS[seen.health]);
    put(this.address, seen.address);
    put(this.health, seen.health);
    put(this.admin, seen.admin);
    this.admin.hidden = seen.admin === "enabled";
    this.weight.fill.style.width = `${100 * seen.weight / scale}%`;
    this.base.style.left = `${100 * seen.base_weight / scale}%`;
    this.base.title = `base weight ${seen.base_weight}`;
    put(this.weight.number, seen.in_table ? String(seen.weight) : "out");
    this.showLoad(seen.utilization);
    put(this.connections, String(seen.active_connections));
    this.connections.title = `${seen.inactive_connections} inactive`;
    put(this.agent, seen.agent);
    this.agent.className = seen.agent;
    put(this.why, seen.why);
    for (const button of this.acts.children) {
      button.hidden = seen.admin === "enabled" ? button.dataset.state === "enabled" : button.dataset.state !== "enabled";
    }
    if (!this.detail.hidden) this.showDetail(seen);
  }

  showLoad(load) {
    const known = load !== null;
    this.load.fill.style.width = known ? `${100 * Math.min(load, 1)}%` : "0";
    this.load.gauge.className = `gauge${load >= 0.95 ? " full" : load >= 0.8 ? " high" : ""}`;
    put(this.load.number, known ? load.toFixed(2) : "–");
    this.past.push(load);
    if (this.past.length > PAST_LOOKS) this.past.shift();
    const first = PAST_LOOKS - this.past.length;
    const points = this.past.flatMap((past, place) =>
      past === null ? [] : [[first + place, 100 - 100 * Math.min(past, 1)]]);
    this.line.setAttribute("points", points.join(" "));
    const ends = points.length ? [[points.at(-1)[0], 100], [points[0][0], 100]] : [];
    this.area.setAttribute("points", [...points, ...ends].join(" "));
  }

  showDetail(seen) {
    const lines = [...termsOf(seen.weighing)];
    for (const check of seen.checks) {
      const words = [check.outcome, check.reason, check.detail].filter(Boolean).join(": ");
      const weight = check.weight_ratio === null ? "" : `, weight × ${check.weight_ratio.toPrecision(3)}`;
      const took = `${(1000 * check.duration_seconds).toFixed(1)} ms`;
      lines.push([`${check.name} check`, `${words} (${took}${weight})`, check.outcome]);
    }
    for (const [name, value] of Object.entries(seen.metrics)) lines.push([name, value.toFixed(3), ""]);
    if (!lines.length) lines.push(["", "no checks, no metrics", ""]);
    this.list.replaceChildren(...lines.flatMap(([name, value, outcome]) =>
      [make("dt", "", name), make("dd", outcome, value)]));
  }
}

// What a weight is made of, in lines of a destination's details.
function* termsOf(weighing) {
  if (weighing === null) return;
  if (weighing.utilization !== null) {
    const aim = weighing.aim === null ? "" : `, aimed at ${weighing.aim.toFixed(2)}`;
    yield ["utilization", `${weighing.utilization.toFixed(2)}${aim}`, ""];
  }
  if (weighing.error !== null && weighing.follow_seconds !== null) {
    yield ["error", `${weighing.error.toFixed(3)}, followed over ${weighing.follow_seconds.toFixed(0)} s`, ""];
  }
  const tolerance = `${(100 * weighing.tolerance_ratio).toFixed(1)} %`;
  yield ["weight wanted", `${weighing.wanted_weight.toFixed(1)}, tolerance ${tolerance}`, ""];
  if (weighing.bound) yield ["bounded by", BOUNDS[weighing.bound] ?? weighing.bound, ""];
}

// One service: its headline and its destinations.
class Card {
  constructor(name) {
    this.rows = new Map();
    this.element = make("section");
    this.about = make("span", "about");
    this.fallback = make("span", "badge");
    this.overflow = make("span", "badge");
    this.overloaded = make("span", "badge serves", "overloaded");
    const headline = make("header");
    headline.append(make("h2", "", name), this.about, this.fallback, this.overflow, this.overloaded);
    const head = make("tr");
    const hidden = new Set(["Last two minutes", "Agent"]);
    for (const heading of HEADINGS) {
      const className = heading === "Connections" ? "number" : hidden.has(heading) ? "hide-narrow" : "";
      head.append(make("th", className, heading));
    }
    const table = make("table");
    const top = make("thead");
    this.body = make("tbody");
    top.append(head);
    table.append(top, this.body);
    this.element.append(headline, table);
  }

  show(service) {
    put(this.about, [`${service.protocol} ${service.address}`, service.scheduler, service.forwarding].join(" · "));
    for (const spare of ["fallback", "overflow"]) {
      const serves = service[`${spare}_in_table`];
      this[spare].hidden = service[spare] === null;
      this[spare].classList.toggle("serves", serves);
      put(this[spare], `${spare} ${service[spare]} ${serves ? "serves" : "stands by"}`);
    }
    this.overloaded.hidden = !service.overloaded;
    const scale = Math.max(1, ...service.destinations.map((seen) => Math.max(seen.weight, seen.base_weight)));
    keep(this.rows, this.body, service.destinations, (seen) => new Row(service.name, seen.name),
      (row) => [row.element, row.detail]);
    for (const seen of service.destinations) this.rows.get(seen.name).show(seen, scale);
  }
}

// Let `views` (by name) be those of `wanted`, in its order, with as few changes to the page as that takes.
function keep(views, parent, wanted, create, elementsOf) {
  const names = wanted.map((one) => one.name);
  const same = names.length === views.size && [...views.keys()].every((name, place) => name === names[place]);
  if (same) return;
  const kept = wanted.map((one) => [one.name, views.get(one.name) ?? create(one)]);
  views.clear();
  for (const [name, view] of kept) views.set(name, view);
  parent.replaceChildren(...kept.flatMap(([, view]) => elementsOf(view)));
}

function show(snapshot) {
  document.title = `${snapshot.director} · feedback`;
  put(byId("director"), snapshot.director);
  keep(cards, byId("services"), snapshot.services, (service) => new Card(service.name), (card) => [card.element]);
  for (const service of snapshot.services) cards.get(service.name).show(service);
  const all = snapshot.services.flatMap((service) => service.destinations);
  const serving = all.filter((seen) => seen.in_table && seen.weight > 0).length;
  const down = all.filter((seen) => seen.health === "down").length;
  put(byId("summary"), `${serving} of ${all.length} destinations serve${down ? `, ${down} down` : ""}`);
}

async function look() {
  try {
    const response = await fetch("api/v1/services", { signal: AbortSignal.timeout(5 * LOOK_MILLISECONDS) });
    if (!response.ok) throw new Error(`it answers with status ${response.status}`);
    show(await response.json());
    lastLook = new Date();
    put(byId("clock"), `as of ${lastLook.toLocaleTimeString("en-GB")}`);
    outOfDate("");
  } catch (error) {
    const since = lastLook ? ` What you see is from ${lastLook.toLocaleTimeString("en-GB")}.` : "";
    outOfDate(`The director can't be read: ${error.message}.${since}`);
  }
  setTimeout(look, LOOK_MILLISECONDS);
}

function outOfDate(sentence) {
  document.body.classList.toggle("out-of-date", Boolean(sentence));
  alarm(sentence);
}

function alarm(sentence) {
  byId("alarm").hidden = !sentence;
  put(byId("alarm"), sentence);
}

async function change(path, state) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const response = await fetch(path, { method: "PUT", headers, body: JSON.stringify({ state }) });
    if (response.status === 401) {
      token = await askToken();
      if (token) await change(path, state);
    } else if (!response.ok) {
      tell({ at: Date.now() / 1000, kind: "refused", message: (await response.json()).error });
    }
  } catch (error) {
    tell({ at: Date.now() / 1000, kind: "refused", message: `The director can't be reached: ${error.message}` });
  }
}

// The token lives as long as the page, and nowhere else.
function askToken() {
  const dialog = byId("ask");
  byId("token").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go" ? byId("token").value : ""), { once: true });
  });
}

function tell(event) {
  const item = make("li", event.kind);
  const moment = make("time", "", new Date(1000 * event.at).toLocaleTimeString("en-GB"));
  moment.title = new Date(1000 * event.at).toLocaleString("en-GB");
  item.append(moment, make("span", "kind", event.kind), make("span", "message", event.message));
  byId("events").prepend(item);
  while (byId("events").children.length > MAX_EVENTS) byId("events").lastElementChild.remove();
}

function listen() {
  const stream = new EventSource("api/v1/events");
  stream.onmessage = (message) => tell(JSON.parse(message.data));
  stream.addEventListener("missed", (message) => {
    tell({ at: Date.now() / 1000, kind: "missed", message: `${JSON.parse(message.data).missed} events were missed` });
  });
}

look();
listen();
