/** What bodies of random tasks do, the same for stored objects in a worker and for their twins in the oracle. */

/** What a task is told to do to one of its two things, or besides. */
export type Act =
  | { readonly do: 'mix' | 'put' | 'add'; readonly at: 0 | 1; readonly x: number }
  | { readonly do: 'read'; readonly at: 0 | 1 }
  | { readonly do: 'set' | 'drop' | 'count'; readonly at: 0 | 1; readonly row: number; readonly x: number }
  | { readonly do: 'look'; readonly at: 0 | 1 }
  | { readonly do: 'large'; readonly at: 0 | 1; readonly bytes: number }
  | { readonly do: 'make'; readonly x: number }
  | { readonly do: 'transact'; readonly at: 0 | 1; readonly x: number }
  | { readonly do: 'child'; readonly kind: ChildKind; readonly at: 0 | 1; readonly x: number; readonly depth: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'delete'; readonly at: 0 | 1 }
  | { readonly do: 'throw'; readonly times: number }
  | { readonly do: 'die'; readonly marker: string; readonly late: boolean }

export type ChildKind = 'pure' | 'many' | 'held' | 'reads' | 'makes' | 'retries'
export type Shape = 'number' | 'object' | 'map' | 'list' | 'bytes' | 'nothing'

export interface Order {
  readonly id: number
  readonly acts: readonly Act[]
  readonly shape: Shape
}

/** A stored object, a volatile value, or the twin of one. */
export interface Thing {
  /** Told by updates in their order. */
  n: number
  /** The same in whatever order it is added to. */
  sum: number
  bytes: Uint8Array
}

export interface Stored extends Thing {
  readonly born: number
  /** Rows and counters: of stored objects only. */
  row(at: number): Promise<number | undefined>
  setRow(at: number, x: number): void
  dropRow(at: number): void
  countRow(at: number, by: number): void
  remove(): Promise<void>
}

/** What a body asks of the world around it. */
export interface Hands {
  /** 1 for the first. */
  readonly attempt: number
  make(born: number): Promise<Stored>
  transact(thing: Stored, body: () => void): Promise<void>
  child(kind: ChildKind, order: Order, thing: Thing | null, inputs: unknown): Promise<unknown>
  wait(ms: number): Promise<void>
  die(marker: string, late: boolean): void
}

export const mix = (a: number, b: number): number => (Math.imul(a ^ (b + 0x9e3779b9), 0x85ebca6b) ^ (a >>> 7)) | 0

export const isStored = (thing: unknown): thing is Stored => typeof thing === 'object' && thing !== null && 'born' in thing

/** One number for a value of any shape; of a stored object what never changes. */
export function digest(value: unknown): number {
  if (typeof value === 'number') return value | 0
  if (typeof value === 'string') return [...value].reduce((sum, c) => mix(sum, c.charCodeAt(0)), 5)
  if (value instanceof Uint8Array) return mix(value.length, (value[0] ?? 0) + (value.at(-1) ?? 0))
  if (value instanceof Map) return digest([...value].flat())
  if (Array.isArray(value)) return value.reduce((sum: number, one) => mix(sum, digest(one)), value.length)
  if (isStored(value)) return mix(17, value.born)
  if (typeof value === 'object' && value !== null) return digest(Object.entries(value).flat())
  return value === undefined ? 1 : 2
}

const childOrder = (id: number, x: number, acts: readonly Act[] = []): Order => ({ id: mix(id, x), acts, shape: 'number' })

/** Carries out what a task was told; gives what it saw. */
export async function perform(hands: Hands, order: Order, things: readonly (Thing | null)[], inputs: unknown): Promise<unknown> {
  let saw = mix(order.id, digest(inputs))
  const made: Stored[] = []
  const see = (x: number): void => {
    saw = mix(saw, x)
  }
  for (const [k, act] of order.acts.entries()) {
    const thing = 'at' in act ? things[act.at] : undefined
    if ('at' in act && act.do !== 'child' && !thing) continue
    await one(hands, order, act, thing ?? null, { see, made, saw: () => saw, k })
  }
  return shaped(order, saw, made)
}

interface Seeing {
  see(x: number): void
  saw(): number
  readonly made: Stored[]
  readonly k: number
}

async function one(hands: Hands, order: Order, act: Act, thing: Thing | null, so: Seeing): Promise<void> {
  switch (act.do) {
    case 'mix':
      thing!.n = mix(thing!.n, mix(act.x, so.saw()))
      return so.see(thing!.n)
    case 'put':
      thing!.n = mix(act.x, so.saw())
      return
    case 'add':
      thing!.sum += act.x
      return
    case 'read':
      return so.see(mix(thing!.n, digest(thing!.bytes)))
    case 'large':
      thing!.bytes = new Uint8Array(act.bytes).fill(so.saw())
      return
    case 'make':
      so.made.push(await hands.make(mix(order.id, mix(act.x, so.k))))
      return
    case 'wait':
      return hands.wait(act.ms)
    case 'throw':
      if (hands.attempt <= act.times) throw new RangeError(`order ${order.id} fails`)
      return
    case 'die':
      return hands.die(act.marker, act.late)
    case 'child':
      return so.see(digest(await hands.child(act.kind, childOrder(order.id, so.k, childActs(act)), thing, [act.x])))
    default:
      return isStored(thing) ? toStored(hands, act, thing, so) : undefined
  }
}

function childActs({ kind, x, at, depth }: Extract<Act, { do: 'child' }>): readonly Act[] {
  const own: Record<ChildKind, readonly Act[]> = {
    pure: [],
    many: [{ do: 'wait', ms: x % 3 }],
    held: [{ do: 'mix', at: 0, x }],
    reads: [{ do: 'read', at: 0 }],
    makes: [{ do: 'make', x }],
    retries: [
      { do: 'make', x },
      { do: 'throw', times: 1 },
    ],
  }
  return depth > 0 ? [...own[kind], { do: 'child', kind: 'pure', at, x: x + 1, depth: depth - 1 }] : own[kind]
}

type StoredAct = Extract<Act, { do: 'set' | 'drop' | 'count' | 'look' | 'transact' | 'delete' }>

async function toStored(hands: Hands, act: StoredAct, thing: Stored, so: Seeing): Promise<void> {
  switch (act.do) {
    case 'set':
      return thing.setRow(act.row, mix(act.x, so.saw()))
    case 'drop':
      return thing.dropRow(act.row)
    case 'count':
      return thing.countRow(act.row, act.x)
    case 'look':
      for (let row = 0; row < ROWS; row++) so.see((await thing.row(row)) ?? 3)
      return
    case 'transact':
      return hands.transact(thing, () => {
        thing.n = mix(thing.n, act.x)
      })
    case 'delete':
      return thing.remove()
  }
}

export const ROWS = 3

function shaped({ shape }: Order, saw: number, made: readonly Stored[]): unknown {
  if (shape === 'nothing' && made.length === 0) return undefined
  if (shape === 'object') return { saw, made: [...made], deep: { list: [saw, [made.length]] } }
  if (shape === 'map')
    return new Map<string, unknown>([
      ['saw', saw],
      ['made', [...made]],
    ])
  if (shape === 'bytes') return { saw, bytes: new Uint8Array(90_000).fill(saw), made: [...made] }
  return made.length > 0 || shape === 'list' ? [saw, ...made] : saw
}
