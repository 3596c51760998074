/**
 * Whether a history of overlapping calls could have come from one thing that does one call after the other, each at some moment between
 * its beginning and its end: linearizability, after Wing and Gong, in the form of Lowe. The history is walked in time with all the ways in
 * which it can have gone so far; a call that ends leaves those in which it has happened. None left: no order explains its answer.
 *
 * Linearizability is local: a history is checked thing by thing, which keeps the number of ways small.
 */

export interface Call<In, Out> {
  readonly program: string
  /** The thing that it was about. */
  readonly on: string
  readonly in: In
  /** `undefined`: it failed in a way that leaves open whether, and when, it happened. */
  readonly out: Out | undefined
  /** By one clock for all programs. */
  readonly beganAt: number
  readonly endedAt: number
}

/** What a thing does, one call after the other. */
export interface Model<State, In, Out> {
  readonly start: State
  /** The state after the call, or `undefined` if it cannot have answered so in this state. Any answer will do where `out` is left open. */
  step(state: State, call: Call<In, Out>): State | undefined
}

/** One way: what has happened of the calls under way, and the state then. States are plain values, told apart by their JSON. */
interface Way<State> {
  readonly state: State
  readonly happened: ReadonlySet<number>
}

export interface Violation<State, In, Out> {
  /** The call whose answer no order explains. */
  readonly call: Call<In, Out>
  readonly overlapping: readonly Call<In, Out>[]
  /** The states that it may have found. */
  readonly states: readonly State[]
}

/** Checks the calls on one thing. */
export function violationIn<State, In, Out>(
  model: Model<State, In, Out>,
  calls: readonly Call<In, Out>[],
): Violation<State, In, Out> | undefined {
  let ways: readonly Way<State>[] = [{ state: model.start, happened: new Set() }]
  const open = new Set<number>()
  for (const { n, isEnd } of eventsOf(calls)) {
    if (!isEnd) {
      open.add(n)
      continue
    }
    const all = everyWay(model, calls, open, ways)
    ways = all.filter((way) => way.happened.has(n)).map(({ state, happened }) => ({ state, happened: without(happened, n) }))
    if (ways.length === 0)
      return { call: calls[n]!, overlapping: [...open].filter((m) => m !== n).map((m) => calls[m]!), states: statesOf(all) }
    open.delete(n)
  }
  return undefined
}

/** Beginnings and ends in time; at the same time beginnings first, since what touches may overlap. Calls left open never end. */
function eventsOf(calls: readonly Call<unknown, unknown>[]): readonly { readonly n: number; readonly isEnd: boolean }[] {
  return calls
    .flatMap(({ beganAt, endedAt, out }, n) => [
      { n, isEnd: false, at: beganAt },
      ...(out === undefined ? [] : [{ n, isEnd: true, at: endedAt }]),
    ])
    .sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd))
}

/** The ways themselves, and all that come of them when further calls under way happen, in any order. */
function everyWay<State, In, Out>(
  model: Model<State, In, Out>,
  calls: readonly Call<In, Out>[],
  open: ReadonlySet<number>,
  from: readonly Way<State>[],
): readonly Way<State>[] {
  const seen = new Map(from.map((way) => [keyOf(way), way]))
  for (const { state, happened } of seen.values()) {
    for (const n of open) {
      const next = happened.has(n) ? undefined : model.step(state, calls[n]!)
      if (next === undefined) continue
      const way = { state: next, happened: new Set(happened).add(n) }
      // What is added to a Map while it is walked is walked too.
      if (!seen.has(keyOf(way))) seen.set(keyOf(way), way)
    }
  }
  return [...seen.values()]
}

const keyOf = ({ state, happened }: Way<unknown>): string => JSON.stringify([state, [...happened].sort((a, b) => a - b)])

const without = (set: ReadonlySet<number>, n: number): ReadonlySet<number> => new Set([...set].filter((m) => m !== n))

const statesOf = <State>(ways: readonly Way<State>[]): readonly State[] =>
  [...new Set(ways.map(({ state }) => JSON.stringify(state)))].map((text) => JSON.parse(text) as State)
