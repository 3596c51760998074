import { graphDot } from './graph-dot.js'
import type { GroupedGraph, TaskGraph } from './run-record.js'

/** The graph as SVG. Graphviz's 2 MB of WebAssembly load only here. */
export async function graphSvg(graph: TaskGraph | GroupedGraph, caption?: string): Promise<string> {
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz')
  const graphviz = await Graphviz.load()
  return graphviz.dot(graphDot(graph, caption), 'svg')
}
