/** Reversible disorder: what a backend must not care about comes to it unreadable. */
import { type Cell, type Cells, type Intent, type Key, type Mark, type Op, Packed, type Target, type Values } from '../../src/backend.js'

/** One way, and back. */
export interface Scrambler {
  readonly cell: (cell: Cell) => Cell
  readonly cells: (cells: Cells) => Cells
  readonly text: (text: string) => string
  readonly bytes: (bytes: Uint8Array) => Uint8Array
  readonly key: (key: Key) => Key
  readonly values: (values: Values) => Values
  readonly op: (op: Op) => Op
  readonly intent: (intent: Intent) => Intent
  readonly mark: (mark: Mark) => Mark
}

/** Bytes are turned over and back to front. By hand: some are a hundred million, and a call for each takes longer than a disk. */
function bytes(from: Uint8Array): Uint8Array {
  const into = new Uint8Array(from.length)
  for (let i = 0, last = from.length - 1; i <= last; i++) into[last - i] = from[i]! ^ (0x5a + i)
  return into
}
function bytesBack(from: Uint8Array): Uint8Array {
  const into = new Uint8Array(from.length)
  for (let i = 0, last = from.length - 1; i <= last; i++) into[i] = from[last - i]! ^ (0x5a + i)
  return into
}

const PRINTABLE = 95
/** Each ASCII character becomes another one, in its place: lengths and common beginnings (aliases are listed by prefix) stay. */
const turn = (text: string): string =>
  text.replace(/[ -~]/g, (c) => String.fromCharCode(32 + ((c.charCodeAt(0) - 32 + (PRINTABLE >> 1)) % PRINTABLE)))
const turnBack = (text: string): string =>
  text.replace(/[ -~]/g, (c) => String.fromCharCode(32 + ((c.charCodeAt(0) - 32 + PRINTABLE - (PRINTABLE >> 1)) % PRINTABLE)))

/** Reversing lone surrogates could make pairs of them. */
const reverse = (text: string): string => (text.isWellFormed() ? [...text].reverse().join('') : text)

/** Keys must keep their order, so theirs only gets a letter in front. */
const FRONT = 'k'

function keyCell(cell: Cell): Cell {
  if (typeof cell === 'string') return FRONT + cell
  return cell instanceof Uint8Array ? Uint8Array.of(FRONT.charCodeAt(0), ...cell) : cell
}

function keyCellBack(cell: Cell): Cell {
  if (typeof cell === 'string') return cell.slice(1)
  return cell instanceof Uint8Array ? cell.slice(1) : cell
}

function scrambler(name: (text: string) => string, content: (text: string) => string, raw: typeof bytes, keyed: typeof keyCell): Scrambler {
  const cell = (from: Cell): Cell => {
    if (typeof from === 'string') return content(from)
    if (from instanceof Uint8Array) return raw(from)
    if (from instanceof Packed) return new Packed(raw(from.bytes))
    return Array.isArray(from) ? from.map(cell) : from
  }
  const cells = (from: Cells): Cells => new Map([...from].map(([field, c]) => [name(field), cell(c)]))
  const values = (from: Values): Values => from.map((c) => (c === undefined ? undefined : cell(c)))
  const key = (from: Key): Key => from.map(keyed)
  const mark = (from: Mark): Mark => ({ ...from, key: name(from.key), outcome: from.outcome && raw(from.outcome) })
  const intent = (from: Intent): Intent => ({
    ...from,
    redo: from.redo.map(op),
    ...(from.beside && { beside: from.beside.map(intent) }),
  })
  const target = (from: Target): Target => ('alias' in from ? { alias: name(from.alias) } : from)
  const op = (from: Op): Op => {
    switch (from.do) {
      case 'put':
        return { ...from, set: cells(from.set), ...(from.unset && { unset: from.unset.map(name) }) }
      case 'name':
        return { ...from, alias: name(from.alias) }
      case 'row':
        return { ...from, key: key(from.key), set: from.set && values(from.set) }
      case 'checkRow':
      case 'add':
      case 'settleRow':
        return { ...from, key: key(from.key) }
      case 'reserveRow':
        return { ...from, key: key(from.key), intent: intent(from.intent) }
      case 'mark':
        return { ...from, mark: mark(from.mark) }
      case 'forget':
        return { ...from, keys: from.keys.map(name) }
      case 'reserve':
        return { ...from, target: target(from.target), intent: intent(from.intent) }
      case 'settle':
        return { ...from, target: target(from.target) }
      case 'stage':
        return { ...from, redo: from.redo?.map(op) ?? null }
      default:
        return from
    }
  }
  return { cell, cells, text: name, bytes: raw, key, values, op, intent, mark }
}

export const into: Scrambler = scrambler(turn, (text) => reverse(turn(text)), bytes, keyCell)
export const back: Scrambler = scrambler(turnBack, (text) => turnBack(reverse(text)), bytesBack, keyCellBack)
