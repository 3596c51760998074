import { REASON_NAMES, Why } from './constants.js'
import type { RuntimeState } from './state.js'
import { type AssignedView, type TaskView, view } from './view.js'

/** What things are called in the program; whatever is left out goes by its number. */
export interface Names {
  task?(task: number): string
  datum?(datum: number): string
  worker?(worker: number): string
  host?(host: number): string
}

type Named = Required<Names>

const named = (names: Names): Named => ({
  task: names.task ?? ((t) => `task ${t}`),
  datum: names.datum ?? ((d) => `datum ${d}`),
  worker: names.worker ?? ((w) => `worker ${w}`),
  host: names.host ?? ((h) => `host ${h}`),
})

/** Why a task waits, why it went where it went, or how it ended, with what is still remembered of its past. */
export function explain(state: RuntimeState, task: number, names: Names = {}): string {
  const name = named(names)
  const seen = view(state, task)
  const text = `${name.task(task)} ${sentence(state, task, seen, name)}.`
  const told = seen.status === 'unknown' ? [] : state.story.of(task)
  return [text, ...told].join('\n  ')
}

function sentence(state: RuntimeState, task: number, seen: TaskView, name: Named): string {
  switch (seen.status) {
    case 'unknown':
      return 'was never submitted'
    case 'waiting':
      return `waits for ${waitsFor(state, seen, name)}`
    case 'ready':
      return `is ready and waits for a free slot ${seen.host === 'any' ? 'on any host' : `on ${name.host(seen.host)}`}, ${because(state, task, seen.why)}`
    case 'assigned':
      return `${runs(state, seen)} on ${name.worker(seen.worker)} of ${name.host(seen.host)} (attempt ${seen.attempt}), ${because(state, task, seen.why)}`
    case 'ending':
      return `is given up (${REASON_NAMES[seen.reason]}) and settles when no attempt of it can commit any more`
    case 'done':
      return `is done (attempt ${seen.attempt})${whereItRan(state, task, name)}`
    case 'ignored':
      return `failed and was ignored, as its policy says: ${REASON_NAMES[state.tasks.reason[task]!]}`
    case 'failed':
      return `failed after ${seen.attempt} attempt${seen.attempt === 1 ? '' : 's'}: ${REASON_NAMES[seen.reason]}`
    case 'cancelled':
      return `was cancelled: ${REASON_NAMES[seen.reason]}${seen.cause === task ? '' : `; it began with ${name.task(seen.cause)}`}`
    default:
      return seen satisfies never
  }
}

function whereItRan(state: RuntimeState, task: number, name: Named): string {
  const worker = state.tasks.at[task]!
  const host = state.workers[worker]?.host
  return host === undefined
    ? ''
    : `: it ran on ${name.worker(worker)} of ${name.host(host)}, ${because(state, task, state.tasks.why[task] as Why)}`
}

function runs(state: RuntimeState, seen: AssignedView): string {
  if (seen.stopping) return 'was asked to stop'
  return seen.place < state.workers[seen.worker]!.slots ? 'runs' : `is number ${seen.place + 1} in the queue`
}

function waitsFor(state: RuntimeState, seen: TaskView & { status: 'waiting' }, name: Named): string {
  const parts = seen.behind.map((o) => `${name.datum(o.datum)} (${some(o.tasks.map((t) => withStatus(state, t, name)))})`)
  if (seen.promises > 0) parts.push(seen.promises === 1 ? 'a promise of the program' : `${seen.promises} promises of the program`)
  return parts.join(', ')
}

const withStatus = (state: RuntimeState, task: number, name: Named): string => {
  const seen = view(state, task)
  return `${name.task(task)} ${seen.status === 'assigned' ? `is on ${name.worker(seen.worker)}` : `is ${seen.status}`}`
}

const SHOWN_MAX = 5
const some = (items: readonly string[]): string =>
  items.length <= SHOWN_MAX ? items.join(', ') : `${items.slice(0, SHOWN_MAX).join(', ')} and ${items.length - SHOWN_MAX} more`

function because(state: RuntimeState, task: number, why: Why): string {
  const bytes = state.tasks.moves[task]!
  const moves = bytes > 0 ? ` (${bytes} bytes to move)` : ''
  return REASONS[why] + moves
}

const REASONS: Record<Why, string> = {
  [Why.NONE]: 'not placed yet',
  [Why.ONLY_HOST]: 'the only host',
  [Why.PINNED]: 'where it must run',
  [Why.DATA]: 'because its data lie there',
  [Why.FREE_SLOT]: 'because a slot is free sooner there',
  [Why.FASTER]: 'because its function was faster there',
  [Why.SPREAD]: 'because more slots were free there',
  [Why.HELP]: 'because it had nothing else to do and moving the data costs less than waiting',
  [Why.NO_FIT]: 'since no host there is at present has what it needs',
  [Why.LANE]: 'behind what it waits for, which has a worker already',
  [Why.NO_WORKERS]: 'since there was no worker when it became ready',
}
