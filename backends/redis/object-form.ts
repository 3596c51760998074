/** The value under an object's key: object.lua says what it is made of. */
import { type Cell, type Intent, Ref, type Stamp, type Stored } from '../../src/backend.js'
import { decodeWire } from '../../src/codec/wire.js'
import { CorruptError } from '../../src/errors.js'
import type { ClassId, CommitId, Id } from '../../src/ids.js'
import { decodeCell, isOutside, nameOf } from './redis-cells.js'

const HELD = 0x21
const COLON = 0x3a
const NEWLINE = 0x0a
const COMMIT_LENGTH = 36

/** Cells beyond it have keys of their own. */
export const LARGE_CELL_BYTES = 4096
/** Cells beyond it are sent there past the script. */
export const SENT_CELL_BYTES = 16 * 1024

/** A cell under a key of its own. */
export interface Outside {
  readonly field: string
  /** The end of its key. */
  readonly name: string
  readonly bytes: number
}

export interface Opened {
  readonly stored: Stored
  /** Cells that are still to be fetched; placeholders stand for them, so that fields keep their order. */
  readonly outside: readonly Outside[]
}

/** What stands in front of the cells of an object that has just been written. */
export const headOf = (revision: number, commit: CommitId, classId: ClassId): string => `.${revision} ${commit} ${classId}\n`

export const intentOf = (form: Buffer): Intent => decodeWire(Uint8Array.from(form.subarray(COMMIT_LENGTH))) as Intent

/** `revision commit class` */
export function metaOf(text: string): { readonly stamp: Stamp; readonly classId: ClassId } {
  const space = text.indexOf(' ')
  const commit = text.slice(space + 1, space + 1 + COMMIT_LENGTH) as CommitId
  return { stamp: { revision: Number(text.slice(0, space)), commit }, classId: text.slice(space + COMMIT_LENGTH + 2) as ClassId }
}

/** `undefined` when there is no object, be it that its key is reserved. @throws CorruptError */
export function openObject(id: Id, value: Buffer | null): Opened | undefined {
  try {
    return opened(id, value)
  } catch (cause) {
    throw damagedObject(id, cause)
  }
}

/** Nothing of what is there stands in it: that is data. */
export const damagedObject = (id: Id, cause?: unknown): CorruptError =>
  new CorruptError(`object ${id} in Redis is damaged: restore it from a backup, or remove its key; \`insitu fsck\` says what else is`, {
    id,
    cause,
  })

function opened(id: Id, value: Buffer | null): Opened | undefined {
  if (!value) return undefined
  const held = value[0] === HELD ? heldBy(value) : undefined
  const start = held ? held.end : 0
  if (start === value.length) return undefined
  const end = value.indexOf(NEWLINE, start)
  if (end < 0) throw damaged()
  const { stamp, classId } = metaOf(value.toString('utf8', start + 1, end))
  const outside: Outside[] = []
  const cells = cellsOf(value, end + 1, outside)
  let bytes = value.length - start
  for (const one of outside) bytes += one.bytes
  const ref = new Ref(id, classId)
  return { stored: held ? { ref, stamp, bytes, cells, intent: held.intent } : { ref, stamp, bytes, cells }, outside }
}

function heldBy(value: Buffer): { readonly intent: Intent; readonly end: number } {
  const [from, to] = netstringAt(value, 1)
  return { intent: intentOf(value.subarray(from, to)), end: netstringAt(value, to)[1] }
}

function netstringAt(value: Buffer, at: number): readonly [from: number, to: number] {
  const colon = value.indexOf(COLON, at)
  const length = Number(value.toString('latin1', at, colon))
  if (colon < 0 || !Number.isInteger(length) || colon + 1 + length > value.length) throw damaged()
  return [colon + 1, colon + 1 + length]
}

/** A list of strings in MessagePack: name, cell, name, cell. */
function cellsOf(value: Buffer, start: number, outside: Outside[]): Map<string, Cell> {
  const list = new ListReader(value, start)
  const cells = new Map<string, Cell>()
  for (let left = list.count; left > 0; left -= 2) {
    const field = nameOf(list.text())
    list.next()
    if (isOutside(value, list.from)) {
      outside.push(outsideOf(field, value.toString('latin1', list.from + 1, list.to)))
      cells.set(field, null)
    } else cells.set(field, decodeCell(value, list.from, list.to))
  }
  return cells
}

/** `NAME BYTES` */
function outsideOf(field: string, text: string): Outside {
  const space = text.indexOf(' ')
  return { field, name: text.slice(0, space), bytes: Number(text.slice(space + 1)) }
}

class ListReader {
  readonly count: number
  from: number
  to: number

  constructor(
    readonly value: Buffer,
    start: number,
  ) {
    const kind = value[start]!
    this.from = this.to = start + 1
    if ((kind & 0xf0) === 0x90) this.count = kind & 0x0f
    else this.count = this.#size(kind === 0xdc ? 2 : kind === 0xdd ? 4 : 0)
  }

  text(): string {
    this.next()
    return this.value.toString('utf8', this.from, this.to)
  }

  /** Moves to the next string, between `from` and `to`. */
  next(): void {
    const kind = this.value[this.to++]!
    const length = kind >= 0xa0 && kind < 0xc0 ? kind & 0x1f : this.#size(kind === 0xd9 ? 1 : kind === 0xda ? 2 : kind === 0xdb ? 4 : 0)
    this.from = this.to
    this.to += length
    if (this.to > this.value.length) throw damaged()
  }

  #size(bytes: number): number {
    if (bytes === 0 || this.to + bytes > this.value.length) throw damaged()
    this.to += bytes
    return this.value.readUIntBE(this.to - bytes, bytes)
  }
}

const damaged = (): CorruptError => new CorruptError('what stands under its key is no object')
