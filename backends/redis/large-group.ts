/**
 * Groups that one script would hold up the server for: staged in pieces, and applied by steps of flip.lua, which says why they are whole
 * all the same.
 */
import type { Group, Op, Receipt } from '../../src/backend.js'
import { InsituError, UnknownOutcomeError } from '../../src/errors.js'
import { failPoint } from '../../src/fail-point.js'
import type { CommitId, TableId } from '../../src/ids.js'
import { cellBytes, opBytes } from '../../src/large-cells.js'
import { ArgumentPack, packed } from './argument-pack.js'
import { type GroupForm, GroupWriter, KeyList } from './group-form.js'
import { isLeft, receiptOf } from './group-reply.js'
import { SENT_CELL_BYTES } from './object-form.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import { type Argument, type Copies, type LargeCell, RECEIPTS_KEPT_MS, type RedisLink, type Reply } from './redis-link.js'
import type { KnownTable } from './redis-rows.js'

/** What one script may take of the server, in microseconds of a machine of no special speed: about a thousand new objects. */
export const SCRIPT_MICROS_MAX = 3_500
/** What a step may take. */
const PIECE_MICROS = 1_000
/** Bytes that one call stages, unless it is a single large cell. */
const STAGED_BYTES = 128 * 1024

const MICROS_PER_KIB = 2
const NEW_MICROS = 3
const CHANGE_MICROS = 8
const OTHER_MICROS = 16
/** A group by itself: its receipt. */
const GROUP_MICROS = 4

/** About how long the script takes for a group. One op cannot be cut, so that its size is no matter. */
export function microsOf(ops: readonly Op[]): number {
  if (ops.length === 1) return fixedMicros(ops[0]!) + GROUP_MICROS
  let micros = 0
  for (const op of ops) micros += microsOfOp(op)
  return micros
}

const microsOfOp = (op: Op): number => fixedMicros(op) + (scriptBytes(op) / 1024) * MICROS_PER_KIB

/** What of an op goes through the script. */
function scriptBytes(op: Op): number {
  const bytes = opBytes(op)
  if (op.do !== 'put' || bytes < SENT_CELL_BYTES) return bytes
  return [...op.set.values()].reduce<number>((sum, cell) => sum + smallOf(cellBytes(cell)), 0)
}

const smallOf = (bytes: number): number => (bytes < SENT_CELL_BYTES ? bytes : 0)

function fixedMicros(op: Op): number {
  if (op.do === 'put') return op.expect === 'absent' ? NEW_MICROS : CHANGE_MICROS
  return op.do === 'row' && op.expect === undefined ? CHANGE_MICROS : OTHER_MICROS
}

interface Piece {
  readonly form: GroupForm
  /** Its fields in the staged hash. */
  readonly fields: readonly Argument[]
}

export class LargeGroups {
  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly hintsHere: boolean,
  ) {}

  /** Errors: as `Backend.commit`. */
  async send(group: Group, domain: Partition, tables: ReadonlyMap<TableId, KnownTable>): Promise<Receipt> {
    const pieces = cut(group).map((part, nth) => this.#written(part, nth, domain, tables))
    const copies: Copies = { mayTravel: false }
    for (;;) {
      await this.#stage(group, domain, pieces)
      failPoint('group-staged')
      const replies = await this.#flip(group, domain, copies)
      if (!replies) continue
      const receipt = this.#answer(group, pieces, replies)
      if (receipt.applied) this.link.applied(domain, group.commit)
      return receipt
    }
  }

  #answer(group: Group, pieces: readonly Piece[], [said, piece]: readonly Reply[]): Receipt {
    try {
      return receiptOf(pieces[Number(piece ?? 0)]!.form, said!, group)
    } catch (error) {
      this.link.dropCells(cellsOf(pieces))
      throw error
    }
  }

  #written(part: Group, nth: number, domain: Partition, tables: ReadonlyMap<TableId, KnownTable>): Piece {
    const [list, objects, pack] = [new KeyList(1), new KeyList(0), new ArgumentPack()]
    const form = new GroupWriter(this.keys, list, objects, pack, domain, this.hintsHere, this.link.room).write(part, tables)
    const [items, places, ...large] = pack.arguments() as [Argument, Argument, ...Argument[]]
    const keys = packed([this.keys.sequence(domain), ...list.keys])
    const fields: Argument[] = [`${nth}:items`, items, `${nth}:keys`, keys, `${nth}:objects`, packed(objects.keys), `${nth}:places`, places]
    for (const [i, item] of large.entries()) fields.push(`${nth}:${i + 1}`, item)
    return { form, fields }
  }

  /** The count comes last: what has one is whole. */
  async #stage(group: Group, domain: Partition, pieces: readonly Piece[]): Promise<void> {
    const cells = cellsOf(pieces)
    for (const cell of cells) await this.link.command(() => this.link.putCell(cell))
    const fields = [...pieces.flatMap((piece) => piece.fields), 'cells', packed(cells.map(([key]) => key))]
    for (const part of parts(fields)) await this.#keep(group, domain, part)
    await this.#keep(group, domain, ['count', `${pieces.length} ${fields.length / 2 + 1}`])
  }

  async #keep({ commit }: Group, domain: Partition, fields: readonly Argument[]): Promise<void> {
    const args = (): Argument[] => [commit, RECEIPTS_KEPT_MS, ...fields]
    await this.link.call({ script: 'stage', domain, keys: [this.keys.group(domain, commit)], args })
  }

  /** What is said of the group, and of which piece; `undefined` when it must be staged again. */
  async #flip({ commit }: Group, domain: Partition, copies: Copies): Promise<readonly Reply[] | undefined> {
    try {
      for (let word: 'begin' | 'step' = 'begin'; ; ) {
        const replies = await this.link.call(this.link.flip(domain, commit, word, copies))
        const said = replies[0] instanceof Buffer ? replies[0].toString() : undefined
        if (said === 'gone') return undefined
        if (said === undefined && isLeft(replies[0]!)) return undefined
        if (said === undefined || said === '') return replies
        failPoint('group-stepped')
        copies.mayTravel = true // others take its next steps, once it is decided
        // Somebody thought that we had died before the group was decided, and made way.
        word = said === 'over' ? 'begin' : 'step'
      }
    } catch (error) {
      return this.#ended(commit, domain, error)
    }
  }

  /** A server that refused a step, not one that is away, says what has become of the group; and others need not wait for its end. */
  async #ended(commit: CommitId, domain: Partition, error: unknown): Promise<readonly Reply[]> {
    const refusal = error instanceof UnknownOutcomeError ? error.cause : error
    if (!(refusal instanceof InsituError) || refusal.retryable || refusal.code === 'ERR_STATE_LOST') throw error
    const [said] = await this.link.call(this.link.bar(domain, commit)).catch(() => {
      throw error
    })
    if (String(said) === '') return [said!]
    throw refusal
  }
}

const cellsOf = (pieces: readonly Piece[]): LargeCell[] => pieces.flatMap(({ form }) => form.cells)

/** Marks are looked at before anything else. */
function cut({ ops, ...group }: Group): Group[] {
  const pieces: Op[][] = [ops.filter((op) => op.do === 'mark')]
  let micros = pieces[0]!.length * OTHER_MICROS
  for (const op of ops) {
    if (op.do === 'mark') continue
    micros += microsOfOp(op)
    if (micros > PIECE_MICROS && pieces.at(-1)!.length > 0) {
      pieces.push([])
      micros = microsOfOp(op)
    }
    pieces.at(-1)!.push(op)
  }
  return pieces.map((piece) => ({ ...group, ops: piece }))
}

/** Fields and values in lists of bounded size. */
function* parts(fields: readonly Argument[]): Generator<readonly Argument[]> {
  let [first, bytes] = [0, 0]
  for (let i = 0; i < fields.length; i += 2) {
    bytes += (fields[i + 1] as string | Buffer).length
    if (bytes < STAGED_BYTES && i + 2 < fields.length) continue
    yield fields.slice(first, i + 2)
    first = i + 2
    bytes = 0
  }
}
