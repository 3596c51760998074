/** Reads the published graphs where they lie beside the project; they are not part of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { type GraphTask, inOrder, type TaskGraph } from './task-graph.js'

const MIB = 2 ** 20

/** The folder of graphs; `undefined` where there is none. */
export function graphFolder(): string | undefined {
  const folder = process.env.INSITU_TEST_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url))
  return existsSync(join(folder, 'estee')) ? folder : undefined
}

const parsed = (path: string): unknown => JSON.parse(gunzipSync(readFileSync(path)).toString())

interface EsteeGraph {
  readonly graph_set: string
  readonly graph_name: string
  readonly tasks: readonly {
    readonly d: number
    readonly cpus: number
    readonly outputs: readonly { readonly s: number }[]
    readonly inputs: readonly (readonly [number, number])[]
  }[]
}

export function esteeGraphs(folder: string): readonly TaskGraph[] {
  return ['elementary', 'irw', 'pegasus'].flatMap((set) =>
    (parsed(join(folder, 'estee', `${set}.json.gz`)) as readonly EsteeGraph[]).map((graph) => ({
      set,
      name: graph.graph_name,
      tasks: inOrder(
        graph.tasks.map(({ d, cpus, outputs, inputs }) => ({ seconds: d, units: cpus, outputs: outputs.map(({ s }) => s), inputs })),
      ),
    })),
  )
}

/** What six schedulers reached: one row a graph, cluster and network. */
export interface Reference {
  readonly graph: string
  readonly workers: number
  readonly units: number
  readonly network: 'simple' | 'maxmin'
  /** Mean seconds by scheduler. */
  readonly makespans: ReadonlyMap<string, number>
}

export function references(folder: string): readonly Reference[] {
  const [head = '', ...lines] = readFileSync(join(folder, 'estee', 'reference-makespans.csv'), 'utf8')
    .trim()
    .split('\n')
  const columns = head.split(',')
  const rows = new Map<string, Reference & { makespans: Map<string, number> }>()
  for (const line of lines) {
    const cells = line.split(',')
    const of = (name: string): string => cells[columns.indexOf(name)]!
    const key = `${of('graph')} ${of('cluster')} ${of('netmodel')}`
    const [workers = 0, units = 0] = of('cluster').split('x').map(Number)
    const row = rows.get(key) ?? {
      graph: of('graph'),
      workers,
      units,
      network: of('netmodel') as 'simple' | 'maxmin',
      makespans: new Map(),
    }
    row.makespans.set(of('scheduler'), Number(of('makespan_mean')))
    rows.set(key, row)
  }
  return [...rows.values()]
}

interface Workflow {
  readonly workflow: {
    readonly specification: {
      readonly tasks: readonly {
        readonly id: string
        readonly parents: readonly string[]
        readonly inputFiles?: readonly string[]
        readonly outputFiles?: readonly string[]
      }[]
      readonly files?: readonly { readonly id: string; readonly sizeInBytes: number }[]
    }
    readonly execution: {
      readonly makespanInSeconds: number
      readonly tasks: readonly { readonly id: string; readonly runtimeInSeconds: number; readonly coreCount?: number }[]
    }
  }
}

export interface RecordedGraph extends TaskGraph {
  /** Seconds that the recorded execution took, on its own machines. */
  readonly recorded: number
}

/** Executions of real workflows. Files that no task makes are taken to lie everywhere. */
export function workflowGraphs(folder: string, unitsMax: number): readonly RecordedGraph[] {
  const files = existsSync(join(folder, 'wfinstances')) ? readdirSync(join(folder, 'wfinstances')) : []
  return files
    .filter((file) => file.endsWith('.json.gz'))
    .sort()
    .map((file) => workflowGraph(file.replace('.json.gz', ''), parsed(join(folder, 'wfinstances', file)) as Workflow, unitsMax))
}

function workflowGraph(name: string, { workflow: { specification, execution } }: Workflow, unitsMax: number): RecordedGraph {
  const bytes = new Map(specification.files?.map((file) => [file.id, file.sizeInBytes]))
  const ran = new Map(execution.tasks.map((task) => [task.id, task]))
  const index = new Map(specification.tasks.map((task, i) => [task.id, i]))
  const maker = new Map<string, readonly [number, number]>()
  for (const [i, task] of specification.tasks.entries())
    for (const [o, file] of (task.outputFiles ?? []).entries()) if (!maker.has(file)) maker.set(file, [i, o])
  const tasks = specification.tasks.map((task, i): GraphTask => {
    const outputs = (task.outputFiles ?? []).map((file) => (bytes.get(file) ?? 0) / MIB)
    const read = (task.inputFiles ?? []).map((file) => maker.get(file)).filter((from) => from !== undefined && from[0] !== i) as [
      number,
      number,
    ][]
    // What a parent hands on need not be a file: an output of no size, behind its files, stands for the order.
    const ordered = task.parents.map((parent) => index.get(parent)!).filter((parent) => !read.some(([from]) => from === parent))
    const order = ordered.map((parent) => [parent, specification.tasks[parent]!.outputFiles?.length ?? 0] as const)
    const { runtimeInSeconds = 0, coreCount = 1 } = ran.get(task.id) ?? {}
    return {
      seconds: runtimeInSeconds,
      units: Math.min(unitsMax, Math.max(1, coreCount)),
      outputs: [...outputs, 0],
      inputs: [...read, ...order],
    }
  })
  return { set: 'wfinstances', name, tasks: inOrder(tasks), recorded: execution.makespanInSeconds }
}
