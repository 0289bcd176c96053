// SPDX-License-Identifier: MIT OR Apache-2.0
// Compares the three forms of each agent's graph. Arrows between the same two nodes are one line in a picture, their
// labels below each other; the JSON is merged in the same way before comparing.
import { execFileSync } from "node:child_process";
import { deepStrictEqual } from "node:assert";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<body></body>");
globalThis.window = window;
globalThis.document = window.document;
for (const name of ["Element", "HTMLElement", "SVGElement", "Node"]) globalThis[name] = window[name];
const mermaid = (await import("mermaid")).default;
mermaid.initialize({ startOnLoad: false });

const [blufio, ...folders] = process.argv.slice(2);
const run = (folder, ...rest) => execFileSync(blufio, ["graph", folder, ...rest], { encoding: "utf8", stdio: "pipe" });

function expected(graph) {
  const nodes = graph.nodes.map((node, at) => [`s${at}`, node.note ? [node.name, node.note] : [node.name]]);
  const edges = new Map();
  for (const { from, to, label } of graph.edges) {
    const key = `s${from} s${to}`;
    if (!edges.has(key)) edges.set(key, []);
    if (label && !edges.get(key).includes(label)) edges.get(key).push(label);
  }
  return { nodes: nodes.sort(), edges: [...edges].sort() };
}

function fromDot(text) {
  const [read] = [].concat(JSON.parse(execFileSync("dot", ["-Tjson"], { input: text, encoding: "utf8" })));
  const lines = (label) => (label ? label.split("\\n") : []);
  const name = new Map(read.objects.map((object) => [object._gvid, object.name]));
  return {
    nodes: read.objects.map((object) => [object.name, lines(object.label)]).sort(),
    edges: (read.edges ?? []).map((e) => [`${name.get(e.tail)} ${name.get(e.head)}`, lines(e.label)]).sort(),
  };
}

async function fromMermaid(text) {
  await mermaid.parse(text);
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
  // Mermaid keeps entities encoded until it draws: #183; is ﬂ°°183¶ß within its database.
  const entity = (line) => line.replace(/ﬂ°°(\d+)¶ß|#(\d+);/g, (_, a, b) => String.fromCodePoint(Number(a ?? b)));
  const lines = (label) =>
    label ? label.split(/<br\s*\/?>/).map((line) => entity(line.replace(/<\/?small>/g, ""))) : [];
  return {
    nodes: [...db.getVertices().values()].map((vertex) => [vertex.id, lines(vertex.text)]).sort(),
    edges: db.getEdges().map((edge) => [`${edge.start} ${edge.end}`, lines(edge.text)]).sort(),
  };
}

// A fixture that does not check clean alone has no picture (exit 1); a shipped program must have one.
function graphs(path) {
  try {
    return JSON.parse(run(path, "--format", "json"));
  } catch (error) {
    const why = error.stderr?.toString().split("\n")[0] ?? error.message;
    const isSkipped = path.endsWith(".agent") && (error.status === 1 || /there is no agent/.test(why));
    console.log(`${isSkipped ? "skipped" : "FAILED"} ${path}: ${why}`);
    if (!isSkipped) failed += 1;
    return [];
  }
}

let compared = 0, failed = 0;
for (const folder of folders) {
  for (const graph of graphs(folder)) {
    const want = expected(graph);
    for (const [format, read] of [["dot", fromDot], ["mermaid", fromMermaid]]) {
      try {
        deepStrictEqual(await read(run(folder, "--agent", graph.agent, "--format", format)), want);
        console.log(`ok ${folder} ${graph.agent} ${format}: ${want.nodes.length} nodes, ${want.edges.length} arrows`);
      } catch (error) {
        failed += 1;
        console.log(`FAILED ${folder} ${graph.agent} ${format}: ${error.message}`);
      }
      compared += 1;
    }
  }
}
if (compared === 0) failed += 1;
console.log(`${compared} comparisons, ${failed} failed`);
process.exit(failed ? 1 : 0);
