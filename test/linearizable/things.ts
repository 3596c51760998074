/** The things that programs share, and what each would do alone. Every value is written once, so that it tells who wrote it. */
import { StorageDict, StorageObject, t } from '../../runtime/index.js'
import type { Call, Model } from './checker.js'

export class Register extends StorageObject {
  /** The value that it was made with: two objects which had the alias one after the other are told apart by it. */
  born = 0
  value = 0
}

export class Board extends StorageObject {
  rows = new StorageDict({ k: t.i32 }, { v: t.i64 })
}

/** The object behind an alias, `null` for none. */
export type Named = { readonly born: number; readonly value: number } | null

export type NamedIn =
  | { readonly do: 'get' }
  | { readonly do: 'create'; readonly value: number }
  /** Of the object as last seen, without looking again. */
  | { readonly do: 'save'; readonly born: number; readonly from: number; readonly to: number }
  | { readonly do: 'update'; readonly born: number; readonly to: number }
  | { readonly do: 'delete'; readonly born: number }

export type NamedOut =
  | { readonly seen: Named }
  | 'done'
  /** The alias was taken, the save was stale, the object was gone. */
  | 'refused'
  /** What `update` found. */
  | { readonly from: number }

export const namedObject: Model<Named, NamedIn, NamedOut> = {
  start: null,
  step(state, { in: wanted, out }) {
    const isSame = 'born' in wanted && state?.born === wanted.born
    switch (wanted.do) {
      case 'get':
        return out === undefined || (typeof out === 'object' && 'seen' in out && same(out.seen, state)) ? state : undefined
      case 'create':
        return refusedIf(state !== null, state, out, { born: wanted.value, value: wanted.value })
      case 'save':
        return refusedIf(!isSame || state.value !== wanted.from, state, out, { born: wanted.born, value: wanted.to })
      case 'update':
        if (typeof out === 'object' && 'from' in out && out.from !== state?.value) return undefined
        return refusedIf(!isSame, state, out, { born: wanted.born, value: wanted.to })
      case 'delete':
        // Of what is gone already it does nothing, and is done.
        return isSame ? null : state
    }
  },
}

/** A call that is refused in some states and done in the others must have said which. */
function refusedIf(isRefused: boolean, state: Named, out: NamedOut | undefined, next: Named): Named | undefined {
  if (out !== undefined && (out === 'refused') !== isRefused) return undefined
  return isRefused ? state : next
}

const same = (a: Named, b: Named): boolean => a?.born === b?.born && a?.value === b?.value

export type RowIn = { readonly do: 'set'; readonly value: number } | { readonly do: 'look' }
export type RowOut = 'done' | { readonly value: number | null }

export const row: Model<number | null, RowIn, RowOut> = {
  start: null,
  step(state, { in: wanted, out }) {
    if (wanted.do === 'set') return wanted.value
    return out === undefined || (typeof out === 'object' && out.value === state) ? state : undefined
  },
}

export type AnyCall = Call<NamedIn | RowIn, NamedOut | RowOut>

export const isRow = (call: AnyCall): call is Call<RowIn, RowOut> => call.in.do === 'set' || call.in.do === 'look'
