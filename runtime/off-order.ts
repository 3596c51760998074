/** With the runtime off: who uses which object, so that a failed writer cancels the calls behind it as the graph does. */
import { isStorageObject, stateOf } from '../src/objects/storage-object.js'
import { tableOf } from '../src/unit/table-binding.js'
import { directionAt } from './attempt.js'
import { heldIn } from './data/held-in.js'
import type { OffCall } from './off-call.js'

/** How calls share an object: not at all, or with those of the same kind beside them. */
type Mode = 'IN' | 'ALONE' | 'CONCURRENT' | 'COMMUTATIVE'

interface Writer {
  readonly call: OffCall
  /** Calls that run beside it, not after it. */
  spares: Mode | undefined
}

interface Uses {
  /** Those whose failure counts for who comes next. */
  writers: Writer[]
  users: OffCall[]
  tidyAt: number
}

export class OffOrder {
  readonly #uses = new Map<string, Uses>()

  /** A call takes its place. Gives those before it whose failure it does not outlast: the program has not been told of any. */
  enter(call: OffCall): readonly OffCall[] {
    const behind: OffCall[] = []
    for (const [id, mode] of modesOf(call)) {
      const uses = this.#uses.get(id) ?? { writers: [], users: [], tidyAt: TIDY_MIN }
      this.#uses.set(id, uses)
      for (const writer of uses.writers) {
        if (writer.call.isGoodOrTold || writer.spares === mode) continue
        writer.spares = undefined
        behind.push(writer.call)
      }
      // Who is alone is cancelled with whom it stands behind: those after it need to know of it only.
      if (mode === 'ALONE') uses.writers = []
      if (mode !== 'IN') uses.writers.push({ call, spares: mode === 'ALONE' ? undefined : mode })
      uses.users.push(call)
      if (uses.users.length >= uses.tidyAt) tidy(uses)
    }
    return behind
  }

  /** A call that used the object and failed, and of which the program was not told. */
  unseenOf(id: string): OffCall | undefined {
    return this.#uses.get(id)?.users.find(({ state, seen }) => state === 'bad' && !seen)
  }
}

const TIDY_MIN = 64

function tidy(uses: Uses): void {
  uses.writers = uses.writers.filter(({ call }) => !call.isGoodOrTold)
  uses.users = uses.users.filter(({ state, seen }) => state === 'pending' || (state === 'bad' && !seen))
  uses.tidyAt = Math.max(TIDY_MIN, 2 * Math.max(uses.users.length, uses.writers.length))
}

function modesOf({ definition, given }: OffCall): ReadonlyMap<string, Mode> {
  const modes = new Map<string, Mode>()
  const about = { ...definition, isMethod: definition.method !== undefined }
  for (const [i, value] of given.entries()) {
    const mode = modeOf(directionAt(about, i))
    for (const id of idsIn(value)) modes.set(id, (modes.get(id) ?? mode) === mode ? mode : 'ALONE')
  }
  return modes
}

const modeOf = (direction: ReturnType<typeof directionAt>): Mode =>
  direction === 'OUT' || direction === 'INOUT' || direction === 'IN_DELETE' ? 'ALONE' : direction

/** Of persistent objects, alone or in other values. What a promise or a future will give is not known. */
function* idsIn(value: unknown): Generator<string> {
  for (const held of heldIn(value)) yield* idsOf(isStorageObject(held) ? stateOf(held).ref?.id : tableOf(held)?.owner.id)
}

const idsOf = (id: string | undefined): readonly string[] => (id === undefined ? [] : [id])
