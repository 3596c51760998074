import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CorruptError, NotFoundError, UnavailableError, ValidationError } from '../../src/errors.js'
import { isIdText } from '../../src/ids.js'
import { makeFolders } from '../../src/make-folders.js'
import { stateDir } from './observe-config.js'

/** A task of a run, as drawn. */
export interface GraphNode {
  readonly id: number
  readonly name: string
  readonly state: string
  /** Where it ran or will run; absent while unplaced. */
  readonly worker?: string | number | undefined
}

/** Tasks and what waits for what. */
export interface TaskGraph {
  readonly nodes: readonly GraphNode[]
  /** `[from, to]`: `to` waits for `from`. */
  readonly edges: readonly (readonly [number, number])[]
}

/** Tasks of one name taken together. */
export interface GroupedTasks {
  readonly name: string
  readonly tasks: number
  readonly failed: number
}

/** The graph by task name: what is kept of a run that is too large to draw task by task. */
export interface GroupedGraph {
  readonly groups: readonly GroupedTasks[]
  /** Indexes into `groups`, and how many edges run between them. */
  readonly links: readonly (readonly [from: number, to: number, edges: number])[]
}

/** What the runtime leaves behind of a run, for `insitu graph` and other tools. One JSON file per run in `<state folder>/runs`. */
export interface RunRecord {
  readonly format: 1
  /** The run's id: a uuid v7, so that names sort by start. */
  readonly run: string
  /** The program's entry file, as its user named it. */
  readonly program: string
  readonly storage: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly endedAt: string
  /** As `stats()` gives them at the end. */
  readonly stats: Readonly<Record<string, number>>
  readonly graph: TaskGraph | GroupedGraph
}

/** Larger graphs are kept grouped: nobody can read the picture, and the file would take longer to write than the run. */
export const RECORDED_NODES_MAX = 20_000
/** Records of older runs are removed. */
export const RECORDS_KEPT = 50

/** Writes a run's record, whole or not at all, and removes the oldest ones. Gives the file's path. */
export async function writeRunRecord(record: RunRecord, folder = stateDir()): Promise<string> {
  const path = pathOf(record.run, folder)
  makeFolders(runsIn(folder))
  await writeFile(`${path}.${process.pid}.tmp`, JSON.stringify(bounded(record)), { mode: 0o600 })
  await rename(`${path}.${process.pid}.tmp`, path)
  for (const old of (await runIds(folder)).slice(0, -RECORDS_KEPT)) await rm(pathOf(old, folder), { force: true })
  return path
}

const bounded = (record: RunRecord): RunRecord =>
  'nodes' in record.graph && record.graph.nodes.length > RECORDED_NODES_MAX ? { ...record, graph: grouped(record.graph) } : record

/** A run's record. @throws NotFoundError, CorruptError, UnavailableError */
export async function readRunRecord(run: string, folder = stateDir()): Promise<RunRecord> {
  const text = await readFile(pathOf(run, folder), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw unreadable(pathOf(run, folder), cause)
    throw new NotFoundError(`no record of run ${run} in ${runsIn(folder)}: start the program in this folder, or set INSITU_STATE`, {
      run,
      cause,
    })
  })
  return parsed(text, run)
}

const unreadable = (path: string, cause: NodeJS.ErrnoException): Error =>
  new UnavailableError(`${path} cannot be read (${cause.code}): run it as the user who started the program, or set INSITU_STATE`, { cause })

/**
 * The record of the run that started last, of those whose records `isWanted`.
 * @throws NotFoundError when there is none, UnavailableError when nobody can say
 */
export async function latestRunRecord(folder = stateDir(), isWanted: (record: RunRecord) => boolean = () => true): Promise<RunRecord> {
  const runs = await runIds(folder)
  for (const run of [...runs].reverse()) {
    const record = await readRunRecord(run, folder)
    if (isWanted(record)) return record
  }
  const which = runs.length === 0 ? 'no run was recorded' : 'no such run was recorded'
  throw new NotFoundError(`${which} in ${runsIn(folder)}: start a program with tasks in this folder first`, { folder })
}

/** The graph by task name. */
export function grouped(graph: TaskGraph): GroupedGraph {
  const groupAt = new Map<string, number>()
  const groups: { name: string; tasks: number; failed: number }[] = []
  const groupOf = new Map<number, number>()
  for (const node of graph.nodes) {
    const at = groupAt.get(node.name) ?? groups.push({ name: node.name, tasks: 0, failed: 0 }) - 1
    groupAt.set(node.name, at)
    groupOf.set(node.id, at)
    const group = groups[at]
    if (!group) continue
    group.tasks++
    if (node.state === 'failed') group.failed++
  }
  return { groups, links: linksBetween(graph, groupOf) }
}

function linksBetween(graph: TaskGraph, groupOf: ReadonlyMap<number, number>): GroupedGraph['links'] {
  const counts = new Map<string, [number, number, number]>()
  for (const [from, to] of graph.edges) {
    const [a, b] = [groupOf.get(from), groupOf.get(to)]
    if (a === undefined || b === undefined) continue
    const link = counts.get(`${a} ${b}`) ?? [a, b, 0]
    link[2]++
    counts.set(`${a} ${b}`, link)
  }
  return [...counts.values()]
}

function parsed(text: string, run: string): RunRecord {
  try {
    const record = JSON.parse(text) as RunRecord
    if (record.format === 1 && typeof record.graph === 'object') return record
  } catch (cause) {
    throw new CorruptError(`the record of run ${run} cannot be read: remove it and run the program again`, { run, cause })
  }
  throw new CorruptError(`the record of run ${run} is of another version of insitu: run the program again`, { run })
}

const runsIn = (folder: string): string => join(folder, 'runs')

function pathOf(run: string, folder: string): string {
  // The id becomes part of a path and may come from a command line.
  if (!isIdText(run))
    throw new ValidationError(`${run} is no run id: ids look like 01995f0e-7c1b-7d3a-9a54-0f2f6d1f4b11`, { code: 'ERR_RUN_ID', run })
  return join(runsIn(folder), `${run}.json`)
}

async function runIds(folder: string): Promise<readonly string[]> {
  const names = await readdir(runsIn(folder)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw unreadable(runsIn(folder), cause)
  })
  return names
    .filter((name) => name.endsWith('.json') && isIdText(name.slice(0, -5)))
    .map((name) => name.slice(0, -5))
    .sort()
}
