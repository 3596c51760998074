import { isSettled, NONE } from './constants.js'
import { explain, type Names } from './explain.js'
import type { RuntimeState } from './state.js'
import { statsOf } from './stats.js'

/** Everything that is not settled, as text: what to attach to a bug report. */
export function dump(state: RuntimeState, names: Names = {}): string {
  const totals = Object.entries(statsOf(state)).map(([key, value]) => `${key} ${value}`)
  return [
    `step ${state.steps} at ${state.now} ms`,
    totals.join(', '),
    ...workerLines(state),
    ...dataLines(state),
    ...taskLines(state, names),
  ].join('\n')
}

function* workerLines(state: RuntimeState): Generator<string> {
  for (const worker of state.workers) {
    if (!worker?.alive) continue
    yield `worker ${worker.index} of host ${worker.host}: ${worker.assigned} assigned, ${worker.slots} slots, ${worker.queuedUs} us queued, heard at ${worker.heardAt} ms`
  }
}

function* dataLines(state: RuntimeState): Generator<string> {
  const { data, groups } = state
  for (let d = 0; d < data.capacity; d++) {
    if (data.head[d] === NONE && data.poison[d] === NONE) continue
    const chain: string[] = []
    for (let g = data.head[d]!; g !== NONE; g = groups.next(g)) chain.push(`${MODES[groups.mode(g)]}×${groups.pending(g)}`)
    yield `datum ${d}: ${chain.join(' → ') || 'free'}${data.poison[d] === NONE ? '' : `, spoilt by task ${data.poison[d]}`}, ${data.holds[d]} holds`
  }
}

const MODES = ['READ', 'WRITE', 'CONCURRENT', 'COMMUTATIVE', 'DELETE'] as const

function* taskLines(state: RuntimeState, names: Names): Generator<string> {
  for (let task = 0; task < state.tasks.count; task++) if (!isSettled(state.tasks.status[task]!)) yield explain(state, task, names)
}
