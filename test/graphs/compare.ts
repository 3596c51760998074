/** Every published configuration, simulated with the scheduler of the runtime, beside the best of the published schedulers. */
import { Cluster, type Limits, NO_LIMITS } from './cluster.js'
import { esteeGraphs, type Reference, references, workflowGraphs } from './graph-files.js'
import { type Links, MaxMinLinks, SimpleLinks } from './links.js'
import { StepScheduler } from './step-scheduler.js'
import { Numbered, type TaskGraph } from './task-graph.js'

export const MIB_PER_SECOND = 128

export interface Line {
  readonly set: string
  readonly graph: string
  readonly tasks: number
  /** `8x4`: 8 workers of 4 units. */
  readonly cluster: string
  readonly network: 'simple' | 'maxmin'
  readonly makespan: number
  readonly movedMiB: number
}

export interface ComparedLine extends Line {
  readonly best: number
  readonly bestBy: string
  readonly ratio: number
}

export interface RecordedLine extends Line {
  /** No schedule of it is shorter: the longest chain, or all work on all units at once. */
  readonly bound: number
  /** Of the execution that the file tells of, on its own machines. */
  readonly recorded: number
}

/**
 * The published makespans of the network `simple` were computed without a limit of downloads, those of `maxmin` with four of a worker
 * at a time, two of them from one source: only so does a schedule by one of their rules come out as published.
 */
export const limitsOf = (network: 'simple' | 'maxmin', always = false): Limits | undefined =>
  network === 'simple' && !always ? NO_LIMITS : undefined

export const linksOf = (network: 'simple' | 'maxmin', workers: number): Links =>
  network === 'simple' ? new SimpleLinks(MIB_PER_SECOND) : new MaxMinLinks(workers, MIB_PER_SECOND)

interface Configuration {
  readonly workers: number
  readonly units: number
  readonly network: 'simple' | 'maxmin'
}

export interface CompareOptions {
  /** Only graphs whose name contains it. */
  readonly only?: string | undefined
  /** The limits of downloads on every network. */
  readonly limited?: boolean | undefined
}

function simulate(graph: TaskGraph, { workers, units, network }: Configuration, { limited }: CompareOptions): Line {
  const numbered = new Numbered(graph)
  const cluster = new Cluster(numbered, workers, units, linksOf(network, workers), limitsOf(network, limited))
  new StepScheduler(numbered, cluster, MIB_PER_SECOND).run()
  const { set, name, tasks } = graph
  const { makespan, movedMib } = cluster
  return { set, graph: name, tasks: tasks.length, cluster: `${workers}x${units}`, network, makespan, movedMiB: movedMib }
}

export function* compareAll(folder: string, options: CompareOptions = {}): Generator<ComparedLine> {
  const graphs = new Map(esteeGraphs(folder).map((graph) => [graph.name, graph]))
  for (const reference of references(folder)) {
    if (!reference.graph.includes(options.only ?? '')) continue
    const line = simulate(graphs.get(reference.graph)!, reference, options)
    const best = bestOf(reference)
    yield { ...line, ...best, ratio: line.makespan / best.best }
  }
}

function bestOf({ makespans }: Reference): { best: number; bestBy: string } {
  const [bestBy, best] = [...makespans].reduce((a, b) => (b[1] < a[1] ? b : a))
  return { best, bestBy }
}

const CLUSTERS = [8, 32] as const
const UNITS = 4

export function* simulateWorkflows(folder: string, options: CompareOptions = {}): Generator<RecordedLine> {
  for (const graph of workflowGraphs(folder, UNITS)) {
    if (!graph.name.includes(options.only ?? '')) continue
    for (const workers of CLUSTERS) {
      const line = simulate(graph, { workers, units: UNITS, network: 'maxmin' }, options)
      yield { ...line, bound: boundOf(graph, workers * UNITS), recorded: graph.recorded }
    }
  }
}

function boundOf({ tasks }: TaskGraph, units: number): number {
  const end: number[] = []
  for (const { seconds, inputs } of tasks) end.push(seconds + inputs.reduce((latest, [maker]) => Math.max(latest, end[maker]!), 0))
  const work = tasks.reduce((sum, task) => sum + task.seconds * task.units, 0)
  return end.reduce((longest, e) => Math.max(longest, e), work / units)
}

export const geometricMean = (of: readonly number[]): number => Math.exp(of.reduce((sum, x) => sum + Math.log(x), 0) / of.length)
