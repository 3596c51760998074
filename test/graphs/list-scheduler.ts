/**
 * The published rule "blevel-gt", written anew: the ready task with the longest chain behind it goes to the worker with free units to
 * which the fewest bytes would move. With it the simulator is checked against makespans that others computed.
 */
import type { Cluster } from './cluster.js'
import { bottomLevels, type Numbered } from './task-graph.js'

export function runListScheduler(numbered: Numbered, cluster: Cluster): void {
  const { tasks } = numbered.graph
  const levels = bottomLevels(numbered)
  const missing = numbered.inputs.map((inputs) => inputs.length)
  const free = cluster.workers.map(({ units }) => units)
  const at = new Map<number, number>()
  const waiting = tasks.map((_, task) => task).sort((a, b) => levels[b]! - levels[a]!)

  const bytesTo = (task: number, worker: number): number =>
    numbered.inputs[task]!.reduce((mib, object) => {
      const { has, wishes } = cluster.workers[worker]!
      if (has.has(object)) return mib
      return mib + numbered.objects[object]!.mib * (wishes.has(object) ? 0.1 : 1)
    }, 0)

  const assignReady = (): void => {
    for (const task of waiting.filter((t) => missing[t] === 0)) {
      const fitting = cluster.workers.map(({ index }) => index).filter((w) => free[w]! >= tasks[task]!.units)
      if (fitting.length === 0) return
      const worker = fitting.reduce((best, w) => (bytesTo(task, w) < bytesTo(task, best) ? w : best))
      free[worker]! -= tasks[task]!.units
      at.set(task, worker)
      waiting.splice(waiting.indexOf(task), 1)
      cluster.assign(task, worker, 0)
    }
  }

  assignReady()
  for (let happened = cluster.next(); happened; happened = cluster.next()) {
    for (const { task, worker } of happened.ended) {
      free[worker]! += tasks[task]!.units
      const first = numbered.first[task]!
      for (let o = first; o < first + tasks[task]!.outputs.length; o++) for (const reader of numbered.readers[o]!) missing[reader]!--
    }
    assignReady()
  }
}
