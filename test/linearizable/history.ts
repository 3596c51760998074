import { type Call, type Model, type Violation, violationIn } from './checker.js'
import { type AnyCall, isRow, namedObject, row } from './things.js'

/** What no order of the calls explains, in words; `undefined` when there is nothing. */
export function unexplained(calls: readonly AnyCall[]): string | undefined {
  for (const [on, some] of byThing(calls)) {
    const found = some.every(isRow) ? inWords(row, some) : inWords(namedObject, some as Call<never, never>[])
    if (found) return `${on}: ${found}`
  }
  return undefined
}

function byThing(calls: readonly AnyCall[]): ReadonlyMap<string, readonly AnyCall[]> {
  const things = new Map<string, AnyCall[]>()
  for (const call of calls) things.set(call.on, [...(things.get(call.on) ?? []), call])
  return things
}

function inWords<State, In, Out>(model: Model<State, In, Out>, calls: readonly Call<In, Out>[]): string | undefined {
  const found: Violation<State, In, Out> | undefined = violationIn(model, calls)
  if (!found) return undefined
  const began = Math.min(...calls.map(({ beganAt }) => beganAt))
  const told = ({ program, in: wanted, out, beganAt, endedAt }: Call<In, Out>): string =>
    `${program} ${JSON.stringify(wanted)} → ${JSON.stringify(out) ?? 'unknown'} [${micros(beganAt - began)}, ${micros(endedAt - began)}]`
  const before = calls.filter(({ endedAt }) => endedAt < found.call.beganAt).sort((a, b) => b.endedAt - a.endedAt)
  return [
    `no order explains ${told(found.call)}`,
    `the state may have been ${found.states.map((state) => JSON.stringify(state)).join(' or ')}`,
    ...found.overlapping.map((call) => `at the same time ${told(call)}`),
    ...before.slice(0, 5).map((call) => `before it ${told(call)}`),
  ].join('\n  ')
}

const micros = (nanos: number): string => `${Math.round(nanos / 1000)} µs`
