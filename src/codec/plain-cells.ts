/**
 * The wire form of cells that are all primitives, as those of most objects: byte for byte what `encodeWire` makes of the list of names
 * and values, in a third of its time, since nothing is made on the way.
 */
import type { Cell, Cells } from '../backend.js'
import { copyOut, roomInSlab, SHARED_BYTES_MAX, taken } from './slab.js'

/** What does not fit is left to `encodeWire`. */
const ROOM_BYTES = 8 * 1024
/** Beyond it the call into the engine's own writer costs less than a loop. */
const LOOP_LENGTH_MAX = 24
const NUMBER_BYTES_MAX = 9
const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n

const largeRoom = Buffer.allocUnsafeSlow(ROOM_BYTES)
const largeView = new DataView(largeRoom.buffer, largeRoom.byteOffset, ROOM_BYTES)

// Where is written: a slab, where the result stays, or the larger room, out of which it is copied.
let room: Buffer = largeRoom
let view: DataView = largeView
let at = 0
let end = 0
let isPlain = true
let isFull = false

/** `undefined` for cells that are not all primitives, or many. The result may share memory, as that of `encodeWire` does. */
export function encodePlainCells(cells: Cells): Uint8Array | undefined {
  const items = cells.size * 2
  if (items > 0xffff) return undefined
  const slab = roomInSlab()
  room = slab.bytes
  view = slab.view
  writeAll(cells, items, slab.used, slab.used + SHARED_BYTES_MAX)
  if (isPlain) return taken(slab, at)
  if (!isFull) return undefined
  room = largeRoom
  view = largeView
  writeAll(cells, items, 0, ROOM_BYTES)
  return isPlain ? copyOut(room, 0, at) : undefined
}

function writeAll(cells: Cells, items: number, from: number, to: number): void {
  at = from
  end = to
  isPlain = true
  isFull = false
  if (items < 0x10) room[at++] = 0x90 | items
  else {
    room[at] = 0xdc
    view.setUint16(at + 1, items)
    at += 3
  }
  // Not a loop over entries, which makes a list for each.
  cells.forEach(write)
}

function write(cell: Cell, name: string): void {
  isPlain = isPlain && writeText(name) && writeCell(cell)
}

function writeCell(cell: Cell): boolean {
  if (typeof cell === 'string') return writeText(cell)
  if (at + NUMBER_BYTES_MAX > end) return full()
  switch (typeof cell) {
    case 'number':
      return writeNumber(cell)
    case 'boolean':
      room[at++] = cell ? 0xc3 : 0xc2
      return true
    case 'bigint':
      return writeBigint(cell)
    default:
      if (cell === null) room[at++] = 0xc0
      return cell === null
  }
}

function writeText(text: string): boolean {
  const { length } = text
  // A code unit takes three bytes at most.
  if (length * 3 + 5 > end - at) return full()
  if (!text.isWellFormed()) return false
  if (length > LOOP_LENGTH_MAX || !writeShort(text)) writeLong(text)
  return true
}

function full(): false {
  isFull = true
  return false
}

/** Whether it is all ASCII. */
function writeShort(text: string): boolean {
  const { length } = text
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return false
    room[at + 1 + i] = code
  }
  room[at] = 0xa0 | length
  at += length + 1
  return true
}

/** Written behind the head that it has if it is ASCII, and moved when it needs a longer one. */
function writeLong(text: string): void {
  const head = headBytes(text.length)
  const bytes = room.write(text, at + head, 'utf8')
  const own = headBytes(bytes)
  if (own !== head) room.copyWithin(at + own, at + head, at + head + bytes)
  if (own === 1) room[at] = 0xa0 | bytes
  else if (own === 2) {
    room[at] = 0xd9
    room[at + 1] = bytes
  } else {
    room[at] = 0xda
    view.setUint16(at + 1, bytes)
  }
  at += own + bytes
}

const headBytes = (length: number): number => (length < 0x20 ? 1 : length < 0x100 ? 2 : 3)

function writeNumber(value: number): boolean {
  if (value >>> 0 === value) {
    if (Object.is(value, -0)) return false
    writeUnsigned(value)
  } else if ((value | 0) === value) writeNegative(value)
  else {
    room[at] = 0xcb
    view.setFloat64(at + 1, value)
    at += 9
  }
  return true
}

function writeUnsigned(value: number): void {
  if (value < 0x80) room[at++] = value
  else if (value < 0x100) {
    room[at] = 0xcc
    room[at + 1] = value
    at += 2
  } else if (value < 0x1_0000) {
    room[at] = 0xcd
    view.setUint16(at + 1, value)
    at += 3
  } else {
    room[at] = 0xce
    view.setUint32(at + 1, value)
    at += 5
  }
}

function writeNegative(value: number): void {
  if (value >= -0x20) room[at++] = 0x100 + value
  else if (value >= -0x80) {
    room[at] = 0xd0
    room[at + 1] = value
    at += 2
  } else if (value >= -0x8000) {
    room[at] = 0xd1
    view.setInt16(at + 1, value)
    at += 3
  } else {
    room[at] = 0xd2
    view.setInt32(at + 1, value)
    at += 5
  }
}

function writeBigint(value: bigint): boolean {
  if (value < INT64_MIN || value > INT64_MAX) return false
  room[at] = 0xd3
  view.setBigInt64(at + 1, value)
  at += 9
  return true
}
