/** What objects, values and bodies are when every call is done at once: plain things in memory, put back when a body fails. */
import { type ChildKind, type Hands, type Order, perform, type Stored, type Thing } from './runtime-body.js'

export class Twin implements Stored {
  n = 0
  sum = 0
  bytes = new Uint8Array(0)
  rows = new Map<number, number>()
  counts = new Map<number, number>()
  isGone = false

  constructor(readonly born: number) {}

  async row(at: number): Promise<number | undefined> {
    return this.rows.get(at)
  }
  setRow(at: number, x: number): void {
    this.rows.set(at, x)
  }
  dropRow(at: number): void {
    this.rows.delete(at)
  }
  countRow(at: number, by: number): void {
    this.counts.set(at, (this.counts.get(at) ?? 0) + by)
  }
  async remove(): Promise<void> {
    this.isGone = true
  }

  /** Puts everything back as it is now. */
  keep(): () => void {
    const { n, sum, bytes, isGone } = this
    const [rows, counts] = [new Map(this.rows), new Map(this.counts)]
    return () => Object.assign(this, { n, sum, bytes, isGone, rows, counts })
  }
}

export const copied = ({ n, sum, bytes }: Thing): Thing => ({ n, sum, bytes: bytes.slice() })

/** A body as the runtime promises it: as often as its policy says, all of it or nothing. */
export async function performed(order: Order, things: readonly (Thing | null)[], inputs: unknown, attempts: number): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const back = things.map(kept)
    try {
      return await perform(twinHands(attempt, things), order, things, inputs)
    } catch (error) {
      for (const undo of back) undo()
      if (attempt >= attempts) throw error
    }
  }
}

function kept(thing: Thing | null): () => void {
  if (thing instanceof Twin) return thing.keep()
  const before = thing && copied(thing)
  return () => thing && Object.assign(thing, before)
}

const twinHands = (attempt: number, own: readonly (Thing | null)[]): Hands => ({
  attempt,
  make: async (born) => new Twin(born),
  transact: async (_, body) => body(),
  child: (kind, order, thing, inputs) => child(kind, order, thing, inputs, own),
  wait: async () => {},
  die: () => {},
})

/** Children here write nothing but what their parent holds, so that what they do goes with it. */
async function child(kind: ChildKind, order: Order, thing: Thing | null, inputs: unknown, own: readonly unknown[]): Promise<unknown> {
  if (thing && !own.includes(thing)) throw new Error('a child works on what its parent has not')
  if (kind === 'many') return Promise.all([1, 2, 3].map((i) => performed(order, [null, null], i, 1)))
  if (kind === 'held' || kind === 'reads') return perform(twinHands(1, [thing]), order, [thing, null], inputs)
  return performed(order, [null, null], inputs, kind === 'retries' ? 3 : 1)
}
