import { type GroupedGraph, grouped, type TaskGraph } from './run-record.js'

/** Above this, a drawing task by task can neither be laid out in a second nor read. */
export const DRAWN_NODES_MAX = 1500

const COLOURS: Readonly<Record<string, string>> = { done: '#d3f0d8', failed: '#f7c6c6', cancelled: '#e3e3e3', running: '#fff1c2' }

/** The graph in Graphviz's language; a large one is drawn by task name, with counts. */
export const graphDot = (graph: TaskGraph | GroupedGraph): string =>
  'groups' in graph ? groupedDot(graph) : graph.nodes.length > DRAWN_NODES_MAX ? groupedDot(grouped(graph)) : taskDot(graph)

function taskDot({ nodes, edges }: TaskGraph): string {
  const drawn = nodes.map(({ id, name, state, worker }) => {
    const tip = `task ${id}: ${state}${worker === undefined ? '' : ` on ${worker}`}`
    return `  ${id} [label=${quoted(name)} tooltip=${quoted(tip)} fillcolor="${COLOURS[state] ?? '#ffffff'}"]`
  })
  return digraph(
    drawn,
    edges.map(([from, to]) => `  ${from} -> ${to}`),
  )
}

function groupedDot({ groups, links }: GroupedGraph): string {
  const drawn = groups.map(({ name, tasks, failed }, i) => {
    const label = `${name} × ${tasks}${failed > 0 ? `, ${failed} failed` : ''}`
    return `  ${i} [label=${quoted(label)} fillcolor="${failed > 0 ? COLOURS['failed'] : COLOURS['done']}"]`
  })
  return digraph(
    drawn,
    links.map(([from, to, edges]) => `  ${from} -> ${to} [label=" ${edges}"]`),
  )
}

const digraph = (nodes: readonly string[], edges: readonly string[]): string =>
  [
    'digraph tasks {',
    '  graph [ranksep=0.4 nodesep=0.15 bgcolor=white]',
    '  node [shape=box style="rounded,filled" fontname="Helvetica" fontsize=11 height=0.3 margin="0.12,0.04" color="#888888"]',
    '  edge [color="#888888" arrowsize=0.6 fontname="Helvetica" fontsize=10]',
    ...nodes,
    ...edges,
    '}',
    '',
  ].join('\n')

/** Names come from programs: quotes, backslashes and line ends must not end the text. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replace(/[\r\n]+/g, ' ')}"`
