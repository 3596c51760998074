import { type GroupedGraph, grouped, type RunRecord, type TaskGraph } from './run-record.js'

/** Above this, a drawing task by task can neither be laid out in a second nor read. */
export const DRAWN_NODES_MAX = 1500

const COLOURS: Readonly<Record<string, string>> = { done: '#d3f0d8', failed: '#f7c6c6', cancelled: '#e3e3e3', running: '#fff1c2' }

/** The graph in Graphviz's language; a large one is drawn by task name, with counts. */
export function graphDot(graph: TaskGraph | GroupedGraph, caption?: string): string {
  if ('groups' in graph) return groupedDot(graph, caption)
  return graph.nodes.length > DRAWN_NODES_MAX ? groupedDot(grouped(graph), caption) : taskDot(graph, caption)
}

/** What the figures of a run say below its graph. On one host there is nothing to prove. */
export function captionOf({ stats }: Pick<RunRecord, 'stats'>): string | undefined {
  const { tasks = 0, nearShare = 1, bytesMoved = 0, hosts = 1 } = stats
  if (hosts < 2) return undefined
  return `${tasks} tasks on ${hosts} hosts; ${(nearShare * 100).toFixed(0)} % of those with data ran where it was; ${bytesMoved} bytes moved`
}

function taskDot({ nodes, edges }: TaskGraph, caption: string | undefined): string {
  const drawn = nodes.map(({ id, name, state, worker }) => {
    const tip = `task ${id}: ${state}${worker === undefined ? '' : ` on ${worker}`}`
    return `  ${id} [label=${quoted(name)} tooltip=${quoted(tip)} fillcolor="${COLOURS[state] ?? '#ffffff'}"]`
  })
  return digraph(
    drawn,
    edges.map(([from, to]) => `  ${from} -> ${to}`),
    caption,
  )
}

function groupedDot({ groups, links }: GroupedGraph, caption: string | undefined): string {
  const drawn = groups.map(({ name, tasks, failed }, i) => {
    const label = `${name} × ${tasks}${failed > 0 ? `, ${failed} failed` : ''}`
    return `  ${i} [label=${quoted(label)} fillcolor="${failed > 0 ? COLOURS['failed'] : COLOURS['done']}"]`
  })
  return digraph(
    drawn,
    links.map(([from, to, edges]) => `  ${from} -> ${to} [label=" ${edges}"]`),
    caption,
  )
}

const digraph = (nodes: readonly string[], edges: readonly string[], caption: string | undefined): string =>
  [
    'digraph tasks {',
    ...(caption === undefined ? [] : [`  label=${quoted(caption)} fontname="Helvetica" fontsize=11`]),
    '  graph [ranksep=0.4 nodesep=0.15 bgcolor=white]',
    '  node [shape=box style="rounded,filled" fontname="Helvetica" fontsize=11 height=0.3 margin="0.12,0.04" color="#888888"]',
    '  edge [color="#888888" arrowsize=0.6 fontname="Helvetica" fontsize=10]',
    ...nodes,
    ...edges,
    '}',
    '',
  ].join('\n')

/** Names come from programs: quotes and backslashes must not end the text, and what a terminal obeys must not reach it. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replace(/\p{Cc}+/gu, ' ')}"`
