/* Draws one run of a scenario: hosts side by side, time downwards, each packet with its cause. The run is the JSON of
 * `holdfast lab --json`, carried by the page. Only the rows near the screen are in the document, so that a run of
 * 100,000 packets scrolls as well as one of ten. */
"use strict";
(() => {
  const run = JSON.parse(document.getElementById("run").textContent);
  const SECOND = 1e9;
  const STATES = ["CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2",
    "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"];
  const COLOURS = { SYN_SENT: "#d9a441", SYN_RECEIVED: "#d9a441", ESTABLISHED: "#4d9960", FIN_WAIT_1: "#7a93c4",
    FIN_WAIT_2: "#7a93c4", CLOSE_WAIT: "#b58bc9", CLOSING: "#7a93c4", LAST_ACK: "#b58bc9", TIME_WAIT: "#9b9b9b" };
  const KINDS = [["frame", "packets"], ["call", "calls"], ["event", "events"], ["state", "states"], ["told", "notes"],
    ["timer", "timers"]];
  const view = { part: 0, scaled: false, zoom: 1, find: "", off: new Set(["timer"]), chosen: -1 };
  const byId = (id) => document.getElementById(id);

  /* ---- Words ---- */

  function duration(ns) {
    if (ns < 1e3) return `${ns} ns`;
    if (ns < 1e6) return `${+(ns / 1e3).toFixed(1)} µs`;
    if (ns < SECOND) return `${+(ns / 1e6).toFixed(ns < 1e7 ? 2 : 1)} ms`;
    const s = ns / SECOND;
    if (s < 60) return `${+s.toFixed(2)} s`;
    const m = Math.floor(s / 60);
    if (m < 60) return `${m} min ${Math.round(s - m * 60)} s`;
    return `${Math.floor(m / 60)} h ${m % 60} min`;
  }
  const clock = (ns) => (ns / SECOND).toFixed(3);
  const number = (n) => n.toLocaleString("en-US");

  /* The same file and section as the RFC's own page. */
  function reference(words) {
    const found = /RFC (\d+)(?: (\d+(?:\.\d+)*))?/.exec(words);
    if (!found) return document.createTextNode(words);
    const link = document.createElement("a");
    link.href = `https://www.rfc-editor.org/rfc/rfc${found[1]}.html${found[2] ? `#section-${found[2]}` : ""}`;
    link.textContent = words;
    return link;
  }

  /* ---- The run, part by part ---- */

  const isTimer = (r) => r.kind === "trace" && r.event.startsWith("TIMER");

  function kindOf(r) {
    if (r.kind !== "trace") return r.kind;
    if (r.event === "STATE") return "state";
    return isTimer(r) ? "timer" : "told";
  }

  function labelOf(r) {
    if (r.kind === "frame") {
      if (r.flags === undefined) return r.packet.replace(/^\S+ > \S+ ?/, "");
      const data = r.len > 0 ? ` seq ${number(r.seq)} len ${number(r.len)}` : "";
      const ack = r.ack !== undefined && !/SYN|RST/.test(r.flags) ? ` ack ${number(r.ack)}` : "";
      return `${r.flags}${data}${ack}${r.window === 0 && !/RST/.test(r.flags) ? " win 0" : ""}`;
    }
    if (r.kind !== "trace") return r.text;
    if (r.event === "STATE") return r.why.replace(/.* -> /, "");
    if (isTimer(r)) return `${r.event === "TIMER_ARMED" ? "timer set" : "timer ended"}: ${r.cause.replace("TIMER_", "").toLowerCase().replace(/_/g, " ")}`;
    return r.cause;
  }

  const lost = (r) => r.kind === "frame" && r.arrives_at_ns === undefined;
  const sentAgain = (r) => /RETRANSMIT|RESENT|PROBE/.test(r.cause || "");

  function classOf(r) {
    const names = ["row", kindOf(r)];
    if (r.kind === "frame" && lost(r)) names.push("lost");
    if (r.kind === "frame" && /RST/.test(r.flags || "")) names.push("rst");
    if (r.kind === "frame" && sentAgain(r)) names.push("again-sent");
    if (r.kind === "event" && r.text === "END") names.push("end", /CLOSED/.test(r.detail || "") ? "fine" : "bad");
    return names.join(" ");
  }

  /* What repeats without anything between becomes one row: "write 20 bytes, 97 times". */
  function folded(records) {
    const rows = [];
    for (const r of records) {
      const last = rows[rows.length - 1];
      const same = last && r.kind === "call" && last.kind === "call" && last.host === r.host && last.text === r.text;
      if (!same) rows.push({ ...r, times: 1, last_ns: r.at_ns });
      else { last.times++; last.last_ns = r.at_ns; }
    }
    return rows;
  }

  function makePart(index) {
    const own = run.records.filter((r) => r.part === index);
    const head = own.find((r) => r.kind === "part");
    const rows = folded(own.filter((r) => r.at_ns !== undefined && !(r.kind === "trace" && r.event === "END")));
    rows.forEach((r, i) => { r.index = i; r.label = labelOf(r); r.words = JSON.stringify(r).toLowerCase(); });
    const until = Math.max(head.until_ns, ...rows.map((r) => Math.max(r.at_ns, r.arrives_at_ns || 0)), 1);
    const part = { head, rows, until, judged: own.filter((r) => r.kind === "expectation" || r.kind === "problem") };
    part.lanes = makeLanes(part);
    part.cuts = makeCuts(part);
    return part;
  }

  function groups(lanes) {
    const map = new Map();
    for (const l of lanes) map.set(l.host, [...map.get(l.host) || [], l]);
    return map;
  }

  function note(lane, r, closeSpan) {
    if (r.kind === "trace" && r.event === "STATE") {
      closeSpan(lane.states, r.at_ns);
      if (STATES[r.b] !== "CLOSED") lane.states.push({ from: r.at_ns, name: STATES[r.b] });
      else closeSpan(lane.waits, r.at_ns);
    } else if (isTimer(r)) {
      closeSpan(lane.waits, r.at_ns);
      if (r.event === "TIMER_ARMED") lane.waits.push({ from: r.at_ns, until: r.at_ns + r.a * 1e6, why: r.why });
    }
  }

  /* A connection has no number before it is accepted: its first state is the oldest of its host that nobody has. */
  function adopt(early, lane, first) {
    const at = early.findIndex((r) => r.host === first.host && r.kind === "trace" && r.event === "STATE");
    if (at < 0 || first.kind !== "call") return;
    const [r] = early.splice(at, 1);
    if (STATES[r.b] !== "CLOSED") lane.states.push({ from: r.at_ns, name: STATES[r.b] });
  }

  /* State, timer, window and bytes in flight of each connection end, over time. */
  function makeLanes(part) {
    const lanes = new Map();
    const lane = (host, conn) => {
      const key = `${host}/${conn}`;
      if (!lanes.has(key)) lanes.set(key, { host, conn, states: [], waits: [], flight: [], window: [], end: 0, una: 0 });
      return lanes.get(key);
    };
    const closeSpan = (spans, at) => {
      const last = spans[spans.length - 1];
      if (last && last.to === undefined) last.to = at;
    };
    const early = [];
    for (const r of part.rows) {
      if (r.host === undefined || !(r.kind === "trace" || r.kind === "frame" || r.kind === "call")) continue;
      if (r.conn === undefined) { early.push(r); continue; }
      const known = lanes.has(`${r.host}/${r.conn}`), l = lane(r.host, r.conn);
      if (!known) adopt(early, l, r);
      note(l, r, closeSpan);
    }
    segments(part, lanes);
    for (const l of lanes.values()) { closeSpan(l.states, part.until); closeSpan(l.waits, part.until); }
    for (const l of lanes.values()) for (const w of l.waits) w.to = Math.min(w.to, w.until);
    const all = [...lanes.values()].filter((l) => l.states.length > 0 || l.waits.length > 0 || l.flight.length > 1);
    const ofHost = groups(all);
    for (const own of ofHost.values()) own.forEach((l, i) => { l.place = i; l.alone = own.length === 1; });
    return all.filter((l) => l.place < (wide() < 560 ? 1 : LANES));
  }

  /* Bytes in flight and the window at each sender: its segments as they leave, the ACKs as they arrive. */
  function segments(part, lanes) {
    const moments = [], byTuple = new Map();
    const frames = part.rows.filter((r) => r.kind === "frame" && r.seq !== undefined);
    for (const r of frames) {
      const [from, , to] = r.packet.split(" ", 3);
      r.tuple = `${from}>${to}`;
      r.wayBack = `${to}>${from}`;
      if (r.conn !== undefined) byTuple.set(r.tuple, lanes.get(`${r.host}/${r.conn}`));
    }
    for (const r of frames) {
      moments.push({ at: r.at_ns, r, lane: byTuple.get(r.tuple) });
      if (!lost(r) && r.ack !== undefined) moments.push({ at: r.arrives_at_ns, r, lane: byTuple.get(r.wayBack), heard: true });
    }
    moments.sort((a, b) => a.at - b.at);
    for (const { at, r, lane, heard } of moments) {
      if (!lane) continue;
      if (heard) { lane.una = Math.max(lane.una, r.ack); lane.window.push({ at, bytes: r.window }); }
      else lane.end = Math.max(lane.end, r.seq + r.len + (/SYN|FIN/.test(r.flags) ? 1 : 0));
      lane.flight.push({ at, bytes: Math.max(0, lane.end - lane.una) });
    }
  }

  /* From "is cut" to "is whole again", whatever follows first. */
  function makeCuts(part) {
    const spans = [];
    for (const r of part.rows) {
      if (r.kind !== "fault") continue;
      if (/ is cut|loses|lose /.test(r.text)) spans.push({ from: r.at_ns, to: part.until, open: true });
      else for (const s of spans) if (s.open && / whole|heals|healed|again/.test(r.text)) { s.to = r.at_ns; s.open = false; }
    }
    return spans;
  }

  /* ---- Where an instant stands ---- */

  const ROW = 22, HEAD = 46, LANES = 4;

  /* Each row has its own line and long waits are shortened: the usual scale. */
  function rowPlaces(part, shown) {
    const instants = new Map();
    let y = HEAD, before = 0;
    for (const r of shown) {
      const gap = r.at_ns - before;
      y += ROW * view.zoom * (1 + (gap > 0 ? Math.min(1.6, Math.log10(1 + gap / 1e7) * 0.45) : 0));
      r.y = y;
      before = Math.max(before, r.at_ns);
      instants.set(r.at_ns, y);
    }
    const at = [0, ...instants.keys()].sort((a, b) => a - b);
    const to = at.map((t) => instants.get(t) || HEAD);
    const last = at[at.length - 1];
    if (part.until > last) { at.push(part.until); to.push(y + ROW * 1.5); }
    return { place: d3.scaleLinear(at, to).clamp(true), height: y + ROW * 3 };
  }

  /* Distances are times. */
  function timePlaces(part, shown) {
    const height = Math.max(600, Math.min(2e6, 900 * view.zoom * view.zoom * view.zoom));
    const place = d3.scaleLinear([0, part.until], [HEAD + ROW, HEAD + height]);
    for (const r of shown) r.y = place(r.at_ns);
    return { place, height: HEAD + height + ROW * 3 };
  }

  /* ---- The drawing ---- */

  let part = null, shown = [], scale = null, marks = null;
  const svg = d3.select("#ladder").append("svg").attr("role", "img");
  const ground = svg.append("g"), laneLayer = svg.append("g"), rowLayer = svg.append("g"), headLayer = svg.append("g");
  const wide = () => byId("ladder").clientWidth;

  /* x of each host, and how much room a sentence has to the right of the ladder. */
  function columns() {
    const width = wide(), hosts = part.head.hosts, narrow = width < 560;
    const left = narrow ? 58 : 96, lanes = narrow ? 12 : 52;
    const forWhy = narrow ? 0 : Math.max(0, Math.min(430, width * 0.38));
    const from = left + lanes, to = width - forWhy - lanes - (narrow ? 22 : 8);
    const step = hosts.length > 1 ? (to - from) / (hosts.length - 1) : 0;
    const x = new Map(hosts.map((h, i) => [h, from + i * step]));
    return { x, left, why: to + lanes + 10, whyRoom: forWhy - 10, narrow, from, to };
  }

  function layOut() {
    part = parts[view.part];
    shown = part.rows.filter((r) => !view.off.has(kindOf(r)));
    scale = view.scaled ? timePlaces(part, shown) : rowPlaces(part, shown);
    marks = columns();
    svg.attr("height", scale.height);
    drawGround();
    drawLanes();
    drawRows();
  }

  function drawGround() {
    ground.selectAll("*").remove();
    for (const s of part.cuts)
      ground.append("rect").attr("class", "cutspan").attr("x", marks.from).attr("width", Math.max(0, marks.to - marks.from))
        .attr("y", scale.place(s.from)).attr("height", Math.max(1, scale.place(s.to) - scale.place(s.from)));
    for (const [, x] of marks.x)
      ground.append("line").attr("class", "lifeline").attr("x1", x).attr("x2", x).attr("y1", HEAD - 8).attr("y2", scale.height);
    if (view.scaled)
      for (const t of d3.ticks(0, part.until, Math.max(8, Math.min(400, scale.height / 90)))) {
        const y = scale.place(t);
        ground.append("line").attr("class", "tick").attr("x1", marks.left).attr("x2", marks.to).attr("y1", y).attr("y2", y);
        ground.append("text").attr("class", "time").attr("x", 4).attr("y", y + 4).text(clock(t));
      }
    headLayer.selectAll("*").remove();
    headLayer.append("rect").attr("class", "band").attr("width", wide()).attr("height", 30);
    document.documentElement.style.setProperty("--tools", `${toolsBottom()}px`);
    for (const [name, x] of marks.x)
      headLayer.append("text").attr("class", "host").attr("x", x).attr("y", 20).attr("text-anchor", "middle").text(name);
  }

  /* Lanes stand outside the arrows: left of the first host, right of all others. */
  function laneX(l) {
    const x = marks.x.get(l.host), side = l.host === part.head.hosts[0] ? -1 : 1;
    return { side, at: (offset, width) => side < 0 ? x - offset - width : x + offset };
  }

  function span(layer, x, width, from, to, name, title) {
    layer.append("rect").attr("class", `lane ${name}`).attr("x", x).attr("width", width).attr("y", scale.place(from))
      .attr("height", Math.max(1.5, scale.place(to) - scale.place(from))).append("title").text(title);
  }

  function drawLanes() {
    laneLayer.selectAll("*").remove();
    const most = d3.max(part.lanes, (l) => d3.max(l.flight, (f) => f.bytes)) || 1;
    for (const l of part.lanes) {
      const lane = laneX(l), base = 3 + l.place * 11;
      for (const s of l.states)
        span(laneLayer, lane.at(base, 5), 5, s.from, s.to, "", `${l.host}: ${s.name}, ${duration(s.to - s.from)}`);
      laneLayer.selectAll("rect.lane").filter(function () { return !this.hasAttribute("fill") && !this.classList.contains("waits"); })
        .attr("fill", (_, i, all) => COLOURS[/: (\w+)/.exec(all[i].textContent)?.[1]] || "#888");
      for (const w of l.waits)
        span(laneLayer, lane.at(base + 6, 3), 3, w.from, w.to, "waits", `${l.host}: timer, ${w.why}`);
      if (!marks.narrow && l.alone) drawBytes(l, lane, most);
    }
  }

  function drawBytes(l, lane, most) {
    const room = 28, offset = 14;
    const width = d3.scaleSqrt([0, most], [0, room]).clamp(true);
    const points = l.flight.filter((f, i) => i === 0 || f.bytes !== l.flight[i - 1].bytes);
    if (points.length < 2) return;
    points.push({ at: part.until, bytes: points[points.length - 1].bytes });
    const near = lane.at(offset, 0), far = (b) => near + lane.side * width(b);
    const area = d3.area().curve(d3.curveStepBefore).y((f) => scale.place(f.at)).x0(near).x1((f) => far(f.bytes));
    laneLayer.append("path").attr("class", "lane flight").attr("d", area(points))
      .append("title").text(`${l.host}: bytes in flight, at most ${number(d3.max(points, (f) => f.bytes))}`);
    const windows = l.window.filter((f, i) => i === 0 || f.bytes !== l.window[i - 1].bytes);
    const small = windows.filter((w) => w.bytes <= most * 1.5);
    if (small.length > 0)
      laneLayer.append("path").attr("class", "lane window")
        .attr("d", d3.line().curve(d3.curveStepBefore).y((f) => scale.place(f.at)).x((f) => far(Math.min(f.bytes, most)))(windows))
        .append("title").text(`${l.host}: the window that its peer gives`);
  }

  /* Where the tools end that stay on the screen while one scrolls. */
  function toolsBottom() {
    const tools = document.querySelector(".tools");
    return getComputedStyle(tools).position === "sticky" ? tools.offsetHeight : 0;
  }

  /* To scale, words that would cover each other are left out; the arrows stay. */
  function thinOut(rows) {
    const last = new Map();
    const fits = (column, y) => { const free = !(y - last.get(column) < 14); if (free) last.set(column, y); return free; };
    for (const r of rows) {
      r.worded = fits(r.host === part.head.hosts[0] ? "first" : "other", r.y);
      r.reasoned = fits("why", r.y);
    }
  }

  /* The rows that the screen can show, and some beside them. */
  function drawRows() {
    const top = byId("ladder").getBoundingClientRect().top;
    const printing = window.matchMedia("print").matches || view.all;
    const from = printing ? -1 : -top - 400, to = printing ? Infinity : -top + window.innerHeight + 400;
    const near = shown.filter((r) => r.y >= from && r.y <= to);
    if (view.scaled) thinOut(near);
    rowLayer.selectAll("g.row").data(near, (r) => r.index).join(
      (enter) => enter.append("g").each(function (r) { drawRow(d3.select(this), r); }),
      (update) => update.each(function (r) { d3.select(this).selectAll("*").remove(); drawRow(d3.select(this), r); }));
    marksOfChoice();
    headLayer.attr("transform", `translate(0, ${Math.max(0, Math.min(scale.height - 60, toolsBottom() - top))})`);
  }

  function drawRow(g, r) {
    g.attr("class", classOf(r)).on("click", () => choose(r));
    g.append("rect").attr("class", "hit").attr("x", 0).attr("width", wide()).attr("y", r.y - 14).attr("height", 20);
    if (!view.scaled)
      g.append("text").attr("class", "time").attr("x", 4).attr("y", r.y).text(clock(r.at_ns));
    if (r.kind === "frame") drawArrow(g, r);
    else if (r.host === undefined) drawAcross(g, r);
    else drawAt(g, r);
    drawWhy(g, r);
  }

  function fitted(text, room, size) {
    const most = Math.floor(room / (size * 0.52));
    return text.length <= most ? text : most < 6 ? "" : `${text.slice(0, most - 1)}…`;
  }

  function drawWhy(g, r) {
    const words = r.kind === "event" ? r.detail : r.kind === "trace" && r.event !== "STATE" ? r.why : r.why && r.kind === "frame" ? frameWhy(r) : r.detail;
    if (!words || marks.whyRoom < 60 || view.scaled && !r.reasoned) return;
    g.append("text").attr("class", "why").attr("x", marks.why).attr("y", r.y).text(fitted(words, marks.whyRoom, 12));
  }

  function frameWhy(r) {
    const fate = r.fate === "arrived" ? "" : `${r.fate}. `;
    const judged = r.verdict === "dropped" ? ` There: ${r.verdict_why}` : "";
    return `${fate[0] ? fate[0].toUpperCase() + fate.slice(1) : ""}${r.why}${judged}`;
  }

  function drawArrow(g, r) {
    const x1 = marks.x.get(r.host), goal = marks.x.get(r.to);
    const y1 = r.y + 3, way = Math.sign(goal - x1) || 1;
    const rawY2 = lost(r) ? y1 + 8 : scale.place(r.arrives_at_ns) + (view.scaled ? 3 : 0);
    const y2 = view.scaled ? rawY2 : Math.max(y1 + 1, Math.min(rawY2, y1 + ROW * view.zoom * 0.8));
    const x2 = lost(r) ? x1 + (goal - x1) * 0.62 : goal - way * 2;
    g.append("line").attr("class", "arrow").attr("x1", x1).attr("y1", y1).attr("x2", x2 - (lost(r) ? 0 : way * 6)).attr("y2", y2);
    if (lost(r)) g.append("path").attr("class", "cross").attr("d", `M${x2 - 4},${y2 - 4}l8,8m0,-8l-8,8`);
    else {
      const turn = Math.atan2(y2 - y1, x2 - x1) * 180 / Math.PI;
      g.append("path").attr("class", "head").attr("d", "M0,0L-9,-4L-9,4Z").attr("transform", `translate(${x2},${y2}) rotate(${turn})`);
    }
    if (view.scaled && !r.worded) return;
    const room = Math.abs(goal - x1) - 24;
    g.append("text").attr("x", way > 0 ? x1 + 12 : x1 - 12).attr("y", r.y).attr("text-anchor", way > 0 ? "start" : "end")
      .text(fitted(r.label, room, 12.5));
  }

  function drawAcross(g, r) {
    g.append("line").attr("x1", marks.from).attr("x2", marks.to).attr("y1", r.y + 4).attr("y2", r.y + 4);
    g.append("text").attr("x", (marks.from + marks.to) / 2).attr("y", r.y).attr("text-anchor", "middle")
      .text(fitted(r.label, marks.to - marks.from, 12.5));
  }

  function drawAt(g, r) {
    const x = marks.x.get(r.host), first = r.host === part.head.hosts[0];
    if (r.kind === "call") g.append("circle").attr("class", "dot").attr("cx", x).attr("cy", r.y - 4).attr("r", 3);
    if (view.scaled && !r.worded) return;
    const times = r.times > 1 ? `, ${number(r.times)} times until ${clock(r.last_ns)}` : "";
    g.append("text").attr("x", first ? x + 12 : x - 12).attr("y", r.y).attr("text-anchor", first ? "start" : "end")
      .text(fitted(r.label + times, marks.to - marks.from - 20, 12.5));
  }

  /* ---- One row in full ---- */

  function table(pairs) {
    const t = document.createElement("table");
    for (const [name, value] of pairs) {
      if (value === undefined || value === "") continue;
      const row = t.insertRow();
      row.insertCell().textContent = name;
      const cell = row.insertCell();
      if (value instanceof Node) cell.append(value); else cell.textContent = value;
    }
    return t;
  }

  const u16 = (b, i) => b[i] << 8 | b[i + 1];
  const u32 = (b, i) => (b[i] * 2 ** 24 + (b[i + 1] << 16 | b[i + 2] << 8 | b[i + 3])) >>> 0;

  /* The headers field by field, out of the bytes that the run kept. */
  function decoded(r) {
    const b = (r.head_hex.match(/../g) || []).map((h) => parseInt(h, 16));
    const six = b[0] >> 4 === 6, protocol = six ? b[6] : b[9];
    const at = six ? 40 : (b[0] & 15) * 4;
    const ip = [["IP", `version ${b[0] >> 4}, ${number(r.total_bytes)} bytes, ${six ? "hop limit" : "TTL"} ${six ? b[7] : b[8]}${!six && b[6] & 64 ? ", DF" : ""}`],
      ["ECN", ["", "ECT(1)", "ECT(0)", "CE"][(six ? b[1] >> 4 : b[1]) & 3]]];
    if (protocol !== 6 || b.length < at + 20) return ip;
    const ends = r.packet.split(" ", 3);
    return [...ip, ["from", ends[0]], ["to", ends[2]], ["flags", r.flags],
      ["sequence", `${number(r.seq)} (${number(u32(b, at + 4))} on the wire)`],
      ["acknowledges", r.ack === undefined ? "" : `${number(r.ack)} (${number(u32(b, at + 8))})`],
      ["window", `${number(r.window)} bytes (${number(u16(b, at + 14))} in the field)`],
      ["payload", `${number(r.len)} bytes`], ["checksum", `0x${u16(b, at + 16).toString(16).padStart(4, "0")}`],
      ["urgent", b[at + 13] & 32 ? number(u16(b, at + 18)) : ""], ...options(b, at + 20, at + (b[at + 12] >> 4) * 4, r)];
  }

  function options(b, from, to, r) {
    const rows = [];
    for (let i = from; i < Math.min(to, b.length) && b[i] !== 0;) {
      if (b[i] === 1) { i++; continue; }
      const kind = b[i], length = b[i + 1];
      if (!(length >= 2)) break;
      if (kind === 2) rows.push(["MSS", number(u16(b, i + 2))]);
      else if (kind === 3) rows.push(["window scale", `${b[i + 2]}: units of ${1 << b[i + 2]} bytes`]);
      else if (kind === 4) rows.push(["SACK", "permitted"]);
      else if (kind === 5) rows.push(["SACK", sackWords(b, i, length, r)]);
      else if (kind === 8) rows.push(["timestamps", `value ${number(u32(b, i + 2))}, echo ${number(u32(b, i + 6))}`]);
      else if (kind === 28) rows.push(["user timeout", `${u16(b, i + 2) & 0x7fff} ${u16(b, i + 2) >> 15 ? "min" : "s"}`]);
      else rows.push([`option ${kind}`, `${length} bytes`]);
      i += length;
    }
    return rows;
  }

  function sackWords(b, i, length, r) {
    const shift = (b.length && r.ack !== undefined) ? (r.ack - u32(b, ((b[0] >> 4 === 6) ? 40 : (b[0] & 15) * 4) + 8)) : 0;
    const words = [];
    for (let k = i + 2; k + 8 <= i + length; k += 8)
      words.push(`${number((u32(b, k) + shift) >>> 0)} to ${number((u32(b, k + 4) + shift) >>> 0)}`);
    return words.join(", ");
  }

  /* What the same host did at the instants at which this packet left and arrived. */
  function consequences(r) {
    const same = (o) => o !== r && o.kind !== "frame" && o.host !== undefined &&
      (o.at_ns === r.at_ns && o.host === r.host || o.at_ns === r.arrives_at_ns && o.host === r.to);
    return part.rows.filter(same).slice(0, 12);
  }

  function tell(r) {
    const box = byId("detail");
    box.className = "";
    box.replaceChildren();
    const put = (tag, content, name) => {
      const element = document.createElement(tag);
      if (name) element.className = name;
      element.append(content);
      box.append(element);
    };
    put("h2", r.kind === "frame" ? `${r.host} → ${r.to}: ${r.label}` : `${r.host ? `${r.host}: ` : ""}${r.label}`);
    if (r.why) put("p", r.why);
    if (r.detail) put("p", r.detail);
    if (r.kind === "frame" && r.fate !== "arrived") put("p", `On the way: ${r.fate}.`, "bad");
    if (r.verdict_why) put("p", `There: ${r.verdict_why}`);
    box.append(table([[r.kind === "frame" ? "left at" : "at", `${(r.at_ns / SECOND).toFixed(6)} s`],
      ["arrived at", r.arrives_at_ns === undefined ? "" : `${(r.arrives_at_ns / SECOND).toFixed(6)} s, ${duration(r.arrives_at_ns - r.at_ns)} later`],
      ["cause", r.cause && r.cause !== "NONE" ? r.cause : ""], ["taken as", r.verdict_cause],
      ["see", r.reference ? reference(r.reference) : ""]]));
    if (r.kind === "frame") { put("h3", "Fields"); box.append(table(decoded(r))); }
    const changed = r.kind === "frame" ? consequences(r) : [];
    if (changed.length > 0) { put("h3", "What changed"); box.append(table(changed.map((o) => [o.host, o.kind === "trace" && o.event !== "STATE" ? o.why : o.label]))); }
  }

  function matches(r) { return view.find === "" || r.words.includes(view.find); }

  function marksOfChoice() {
    rowLayer.selectAll("g.row").classed("chosen", (r) => r.index === view.chosen).classed("off", (r) => !matches(r));
  }

  function choose(r) {
    view.chosen = r.index;
    tell(r);
    marksOfChoice();
    history.replaceState(null, "", `#${view.part + 1}:${r.index}`);
  }

  /* "#2:17" behind the address shows row 17 of part 2: what one sends to a colleague. */
  function goToAddress() {
    const found = /^#(\d+)(?::(\d+))?$/.exec(location.hash);
    if (!found || +found[1] < 1 || +found[1] > parts.length) return;
    view.part = +found[1] - 1;
    byId("part").value = view.part;
    layOut();
    const r = part.rows[found[2]];
    if (!r) return;
    choose(r);
    if (r.y !== undefined) window.scrollTo(0, window.scrollY + byId("ladder").getBoundingClientRect().top + r.y - window.innerHeight / 2);
  }

  function step(way) {
    const rows = shown.filter(matches);
    if (rows.length === 0) return;
    const now = rows.findIndex((r) => r.index === view.chosen);
    const next = now < 0 ? (way > 0 ? rows.findIndex((r) => r.index > view.chosen) : rows.length - 1) : now + way;
    const r = rows[Math.max(0, Math.min(rows.length - 1, next))];
    choose(r);
    const y = byId("ladder").getBoundingClientRect().top + r.y;
    if (y < 120 || y > window.innerHeight - 120) window.scrollBy(0, y - window.innerHeight / 2);
  }

  /* ---- The head of the page and the tools ---- */

  function drawHead() {
    const top = byId("top"), again = document.createElement("p");
    const title = document.createElement("h1"), result = document.createElement("span");
    document.title = `${run.scenario.replace(/.*\//, "")}: ${run.result}`;
    title.textContent = run.scenario.replace(/.*\//, "").replace(/\.lua$/, "").replace(/_/g, " ");
    result.className = `result ${run.result}`;
    result.textContent = run.result;
    again.className = "again mono";
    again.textContent = `holdfast lab ${run.scenario} --seed ${run.seed}`;
    top.append(title, result, again);
    if (run.message) { const p = document.createElement("p"); p.textContent = run.message; top.append(p); }
    if (run.summary) { const p = document.createElement("div"); p.className = "summary"; p.textContent = run.summary; top.append(p); }
    const judged = parts.flatMap((p) => p.judged);
    if (judged.length > 0) top.append(judgedList(judged));
  }

  function judgedList(judged) {
    const box = document.createElement("details"), head = document.createElement("summary"), list = document.createElement("ul");
    const failed = judged.filter((j) => j.outcome !== "passed").length;
    box.className = "judged";
    box.open = failed > 0;
    head.textContent = `${judged.length} expectations, ${failed} failed`;
    for (const j of judged) {
      const item = document.createElement("li");
      item.className = j.outcome === "passed" ? "" : "failed";
      item.textContent = j.where ? `${j.where.replace(/.*\//, "")}: ${j.text}` : j.text;
      list.append(item);
    }
    box.append(head, list);
    return box;
  }

  function drawTools() {
    parts.forEach((p, i) => byId("part").add(new Option(p.head.title || (parts.length > 1 ? `part ${i + 1}` : "the run"), i)));
    byId("part").hidden = parts.length < 2;
    for (const [kind, words] of KINDS) {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !view.off.has(kind);
      box.addEventListener("change", () => { if (box.checked) view.off.delete(kind); else view.off.add(kind); layOut(); });
      label.append(box, words);
      byId("kinds").append(label);
    }
    byId("part").addEventListener("change", (e) => { view.part = +e.target.value; view.chosen = -1; window.scrollTo(0, 0); layOut(); });
    byId("find").addEventListener("input", (e) => { view.find = e.target.value.trim().toLowerCase(); marksOfChoice(); });
    byId("find").addEventListener("keydown", (e) => { if (e.key === "Enter") { step(1); e.preventDefault(); } });
    byId("scale").addEventListener("click", toScale);
    byId("closer").addEventListener("click", () => zoom(1.25));
    byId("wider").addEventListener("click", () => zoom(0.8));
    byId("theme").addEventListener("click", otherTheme);
  }

  /* Keeps the instant in the middle of the screen where it is. */
  function keeping(change) {
    const middle = -byId("ladder").getBoundingClientRect().top + window.innerHeight / 2;
    const instant = middle > HEAD ? scale.place.invert(middle) : undefined;
    change();
    layOut();
    if (instant !== undefined) window.scrollBy(0, byId("ladder").getBoundingClientRect().top + scale.place(instant) - window.innerHeight / 2);
  }
  function zoom(by) { keeping(() => { view.zoom = Math.max(0.5, Math.min(13, view.zoom * by)); }); }
  function toScale() { keeping(() => { view.scaled = !view.scaled; byId("scale").setAttribute("aria-pressed", view.scaled); }); }
  function otherTheme() {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  }

  function onKey(e) {
    if (e.target.id === "find") { if (e.key === "Escape") e.target.blur(); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.tagName === "SELECT") return;
    const keys = { j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1), t: toScale, d: otherTheme,
      "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "/": () => byId("find").focus(),
      Escape: () => { view.chosen = -1; byId("detail").className = "idle"; byId("detail").replaceChildren(hint()); marksOfChoice(); } };
    if (!keys[e.key]) return;
    keys[e.key]();
    e.preventDefault();
  }

  function hint() {
    const p = document.createElement("p");
    p.className = "keys";
    p.innerHTML = "Click a row: why it happened, its fields, what changed. Beside each host: its state " +
      '(<span class="keybox" style="background:#4d9960"></span>established), its next timer ' +
      '(<span class="keybox waits" style="background:var(--amber)"></span>), bytes in flight ' +
      '(<span class="keybox" style="background:var(--blue)"></span>) and the peer\'s window (green line).';
    return p;
  }

  document.documentElement.dataset.theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const parts = d3.range(run.parts).map(makePart);
  drawHead();
  drawTools();
  byId("detail").replaceChildren(hint());
  layOut();
  goToAddress();
  window.addEventListener("hashchange", goToAddress);
  window.addEventListener("scroll", () => requestAnimationFrame(drawRows), { passive: true });
  window.addEventListener("resize", () => requestAnimationFrame(layOut));
  window.addEventListener("beforeprint", () => { view.all = true; drawRows(); });
  window.addEventListener("afterprint", () => { view.all = false; drawRows(); });
  document.addEventListener("keydown", onKey);
})();
