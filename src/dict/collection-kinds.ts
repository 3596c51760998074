/**
 * Column types made of others. A collection inside a row is one cell, read and written whole.
 * Sets and maps are kept in key order, so that equal ones are equal cells, and iterate alike on every backend.
 */
import type { Cell } from '../backend.js'
import { ValidationError } from '../errors.js'
import { elementCell, hasOrder, type Kind, keyCell, type References, refusal } from './kind.js'
import { encodeKeyText, type KeyColumns } from './row-key.js'

export function listKind(of: Kind): Kind {
  return {
    type: { listOf: of.type },
    ...recordsIn([of]),
    element: of,
    wants: `an array of ${of.wants}`,
    toCell(value, path, refs) {
      if (!Array.isArray(value)) throw refusal(path, this.wants, value)
      // not map: it would leave the holes of a sparse array unchecked
      return Array.from(value, (v, i) => elementCell(of, v, `${path}[${i}]`, refs))
    },
    fromCell: (cell, refs) => (cell as readonly Cell[]).map((c) => of.fromCell(c, refs)),
  }
}

export function tupleKind(of: readonly Kind[]): Kind {
  const wants = `an array of (${of.map((k) => k.wants).join('; ')})`
  return {
    type: { tupleOf: of.map((k) => k.type) },
    ...recordsIn(of),
    wants,
    toCell(value, path, refs) {
      if (!Array.isArray(value) || value.length !== of.length) throw refusal(path, wants, value)
      return of.map((kind, i) => elementCell(kind, value[i], `${path}[${i}]`, refs))
    },
    fromCell: (cell, refs) => of.map((kind, i) => kind.fromCell((cell as readonly Cell[])[i]!, refs)),
    toKeyCell: (cell) => of.map((kind, i) => keyCell(kind, (cell as readonly Cell[])[i]!)),
  }
}

/** A nested record: a tuple of its fields, each of which may be left out. The names are the class's; the store knows places. */
export function recordKind(fields: ReadonlyMap<string, { readonly kind: Kind; readonly mayBeAbsent: boolean }>): Kind {
  const columns = [...fields]
  const wants = `an object of { ${columns.map(([name, { kind }]) => `${name}: ${kind.wants}`).join('; ')} }`
  return {
    type: { tupleOf: columns.map(([, { kind }]) => kind.type) },
    records: { fields: columns.map(([name, { kind, mayBeAbsent }]) => [name, mayBeAbsent, kind.records ?? null]) },
    isUnordered: true,
    wants,
    toCell(value, path, refs) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(path, wants, value)
      const row = value as Record<string, unknown>
      const unknown = Object.keys(row).find((name) => !fields.has(name))
      if (unknown !== undefined) throw new ValidationError(`column '${path}' has no field '${unknown}'`, { path: `${path}.${unknown}` })
      return columns.map(([name, { kind, mayBeAbsent }]) => {
        const item = Object.hasOwn(row, name) ? row[name] : undefined
        return item === undefined && mayBeAbsent ? null : elementCell(kind, item, `${path}.${name}`, refs)
      })
    },
    fromCell(cell, refs) {
      const row: Record<string, unknown> = {}
      columns.forEach(([name, { kind }], i) => {
        const item = (cell as readonly Cell[])[i] ?? null
        if (item !== null) row[name] = kind.fromCell(item, refs)
      })
      return row
    },
  }
}

export function setKind(of: Kind): Kind {
  const order = inKeyOrder(of, 'set')
  return {
    type: { setOf: of.type },
    ...recordsIn([of]),
    element: of,
    wants: `a Set of ${of.wants}`,
    toCell(value, path, refs) {
      if (!isIterableObject(value)) throw refusal(path, this.wants, value)
      return order(path, function* () {
        for (const v of value) yield [element(of, v, path, refs), undefined]
      }).map(([cell]) => cell)
    },
    fromCell: (cell, refs) => new Set((cell as readonly Cell[]).map((c) => of.fromCell(c, refs))),
  }
}

export function mapKind(keys: Kind, values: Kind): Kind {
  const order = inKeyOrder(keys, 'map')
  return {
    type: { mapOf: [keys.type, values.type] },
    ...recordsIn([keys, values]),
    element: keys,
    wants: `a Map from ${keys.wants} to ${values.wants}`,
    toCell(value, path, refs) {
      if (!isIterableObject(value)) throw refusal(path, this.wants, value)
      const wants = this.wants
      return order(path, function* () {
        for (const pair of value) {
          if (!Array.isArray(pair) || pair.length !== 2) throw refusal(path, wants, value)
          yield [element(keys, pair[0], path, refs), elementCell(values, pair[1], path, refs)]
        }
      }) as readonly Cell[]
    },
    fromCell: (cell, refs) => new Map((cell as [Cell, Cell][]).map(([k, v]) => [keys.fromCell(k, refs), values.fromCell(v, refs)])),
  }
}

/** 32-bit floats, `length` of them. */
export function vectorKind(length: number): Kind {
  if (!Number.isSafeInteger(length) || length < 1) throw new ValidationError(`a vector's length is a whole number from 1, got ${length}`)
  const wants = `${length} numbers`
  return {
    type: { vectorOf: length },
    wants,
    toCell(value, path) {
      if (!isArrayOfLength(value, length)) throw refusal(path, wants, value)
      return Array.from(value, (n, i) => {
        if (typeof n !== 'number') throw refusal(`${path}[${i}]`, 'a number', n)
        return Math.fround(n)
      })
    },
    fromCell: (cell) => Float32Array.from(cell as readonly number[]),
  }
}

const recordsIn = (kinds: readonly Kind[]): Pick<Kind, 'records'> =>
  kinds.some(({ records }) => records) ? { records: { within: kinds.map(({ records }) => records ?? null) } } : {}

const element = (kind: Kind, value: unknown, path: string, refs: References): Cell => keyCell(kind, elementCell(kind, value, path, refs))

// A string iterates over its characters, which nobody means by a set of text.
const isIterableObject = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value

const isArrayOfLength = (value: unknown, length: number): value is ArrayLike<unknown> =>
  (Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value)) && value.length === length

type Member = [cell: Cell, value: Cell | undefined]

/** Sorts members by the row-key order of their cells; of equal ones the last stays. */
function inKeyOrder(kind: Kind, what: string): (path: string, members: () => Iterable<Member>) => Member[] {
  if (!hasOrder(kind)) throw new ValidationError(`a ${what} cannot hold ${kind.wants} as its keys: they have no order`)
  return (path, members) => {
    const column: KeyColumns = { keys: [{ name: path, type: kind.type }] }
    const byKey = new Map<string, Member>()
    for (const member of members()) byKey.set(encodeKeyText(column, [member[0]]), member)
    return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member)
  }
}
