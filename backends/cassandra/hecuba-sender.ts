/**
 * Groups about an object of Hecuba's, each a compare-and-set of its row. Beside the version it compares every field as it was read, so that
 * what Hecuba writes in between is not written over unseen.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Group, Receipt, Ref } from '../../src/backend.js'
import { AliasTakenError, UnavailableError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import type { CassandraLink, Param, Statement } from './cassandra-link.js'
import { ensureCopies } from './copies.js'
import { BARRED, type Draft, receiptOf } from './group-draft.js'
import { type HecubaClass, type HecubaClasses, STORAGE_ID } from './hecuba-classes.js'
import { hecubaDraftOf, nameIn } from './hecuba-draft.js'
import { cannot } from './hecuba-layout.js'
import type { HecubaRows, HecubaState } from './hecuba-rows.js'
import { digestOf, type Plain } from './hecuba-values.js'
import { quoted } from './identifiers.js'
import { Lines } from './lines.js'
import type { NameIndex } from './name-index.js'
import { PART } from './places.js'

const AGAIN_MS_MAX = 40
/** What is left of a removed object, as long as a copy of an old group could come. */
const GRAVE_S = 2 * 86_400

type Columns = readonly (readonly [name: string, value: Param])[]

export class HecubaSender {
  readonly #lines = new Lines()

  constructor(
    readonly link: CassandraLink,
    readonly classes: HecubaClasses,
    readonly rows: HecubaRows,
    readonly names: NameIndex,
    readonly receiptsKeptS: number,
  ) {}

  /** In the order of the calls, as compare-and-sets of one row are done best. */
  send(group: Group, ref: Ref): Promise<Receipt> {
    return this.#lines.stand(ref.id, () => this.#send(group, ref))
  }

  async #send(group: Group, ref: Ref): Promise<Receipt> {
    const of = await this.classes.ready(ref.classId)
    const endMs = Date.now() + this.link.config.patienceMs
    let isUnknown = false
    for (let nth = 0; ; nth++) {
      const state = await this.rows.state(of, ref.id, true)
      const verdict = hecubaDraftOf(group, ref, state)
      if ('receipt' in verdict) {
        await this.finish(of, ref, state)
        await ensureCopies(this.link, () => this.rows.state(of, ref.id, false))
        return verdict.receipt
      }
      const { draft } = verdict
      const applied = await this.#apply(group, ref, of, state, draft)
      if (applied) return draft.receipt
      isUnknown ||= applied === undefined
      if (Date.now() > endMs) throw isUnknown ? this.link.unknownOutcome() : this.#busy(ref)
      await delay(Math.random() * Math.min(AGAIN_MS_MAX, 2 ** nth))
    }
  }

  async #apply(group: Group, ref: Ref, of: HecubaClass, state: HecubaState, draft: Draft): Promise<boolean | undefined> {
    const changes = await this.#changes(group, ref, of, state, draft)
    if (!changes) return true
    const [isMade, isEnded] = [!state.stamp && draft.stamp, state.stamp && draft.isRemoved]
    if (isMade) await this.#requireFree(ref, state)
    if (!state.stamp) await this.names.noteObject(ref)
    if (isEnded) await this.rows.notes.announceEnd(ref.id, group.commit)
    const applied = await this.link.cas(changes)
    if (applied && (isMade || isEnded)) await this.finish(of, ref, await this.rows.state(of, ref.id, true))
    return applied
  }

  /** A name that a dict or an array of Hecuba's has. */
  async #requireFree(ref: Ref, { leftBy, name }: HecubaState): Promise<void> {
    if (leftBy !== undefined || !(await this.rows.notes.isTaken(ref.id))) return
    throw new AliasTakenError(`Hecuba's id ${ref.id} is that of something else, ${name ?? 'a dict or an array'}: choose another name.`, {
      by: ref.id,
    })
  }

  /** Brings what `istorage` says up to what stands, also where whoever changed the object has died in between. */
  async finish(of: HecubaClass, ref: Ref, state: HecubaState): Promise<void> {
    const { notes } = this.rows
    if (state.leftBy !== undefined) await notes.remove(ref.id, state.leftBy)
    if (!state.isUnnoted || state.name === undefined) return
    await notes.put(of, ref.id, state.name)
    const query = `UPDATE ${this.link.table(of.table)} SET "~noted" = true WHERE ${STORAGE_ID} = ? IF "~made" = ?`
    await this.link.cas([{ query, params: [ref.id, state.made] }]) // or the next who reads it does it again
  }

  /** The statements; `undefined` when nothing changes. */
  async #changes(group: Group, ref: Ref, of: HecubaClass, state: HecubaState, draft: Draft): Promise<Statement[] | undefined> {
    const parts = new Map(draft.parts)
    for (const [commit, redo] of draft.redo) parts.set(PART.redo(commit), await this.rows.reader.packed(redo))
    const changesObject = draft.stamp !== undefined || draft.isRemoved
    if (!changesObject && draft.intent === undefined && parts.size === 0) return undefined
    const set: (readonly [name: string, value: Param])[] = [['~version', group.commit]]
    if (draft.intent !== undefined) set.push(['~intent', draft.intent && (await this.rows.reader.packed(draft.intent))])
    if (changesObject) set.push(...(await this.#objectColumns(group, ref, of, state, draft)))
    const stands = (draft.stamp === undefined ? state.stamp : draft.stamp) !== null
    const isHeld = draft.intent === undefined ? state.intent !== undefined : draft.intent !== null
    const ttl = stands || isHeld ? 0 : GRAVE_S
    return [
      this.#update(of, ref, set, ttl, state),
      this.#part(of, ref, PART.receipt(group.commit), Buffer.alloc(0), this.receiptsKeptS),
      ...[...parts].map(([name, data]) => this.#part(of, ref, name, data, 0)),
    ]
  }

  async #objectColumns(group: Group, ref: Ref, of: HecubaClass, state: HecubaState, draft: Draft): Promise<Columns> {
    const { stamp } = draft
    if (!stamp) return [...of.fields.map(({ name }) => [name, null] as const), ...ownColumns(null), ['~gone', group.commit]]
    const { values } = this.rows
    const plains = new Map<string, Plain>(state.stamp ? state.plains : of.fields.map(({ name }) => [name, null]))
    const columns = new Map<string, Param>(state.stamp ? [] : of.fields.map(({ name }) => [name, null]))
    for (const [name, cell] of draft.cells) {
      const [field, plain] = await values.plainOf(of, name, cell)
      plains.set(name, plain)
      columns.set(name, values.toColumn(field, plain))
    }
    const made: Columns = state.stamp
      ? []
      : [
          ['~made', group.commit],
          ['~gone', null],
          ['~noted', null],
          ['~name', this.#nameFor(group, ref, state)],
        ]
    return [...columns, ...made, ['~revision', stamp.revision], ['~commit', stamp.commit], ['~seen', digestOf(plains)], ...kept(state)]
  }

  /** One without a name gets one that nobody looks for, as Hecuba's own nested ones have. */
  #nameFor(group: Group, ref: Ref, state: HecubaState): string {
    const { notes } = this.rows
    const alias = nameIn(group, state)
    if (alias === undefined) return notes.fullName(`o${ref.id.replaceAll('-', '_')}`)
    if (!notes.isName(alias))
      throw cannot(`the name ${JSON.stringify(alias)}: up to 48 letters, digits and underscores, no word of CQL, in this keyspace`)
    return notes.fullName(alias)
  }

  #update(of: HecubaClass, ref: Ref, set: Columns, ttl: number, state: HecubaState): Statement {
    const names = set.map(([name]) => `${quoted(name)} = ?`).join(', ')
    const fields = of.fields.map(({ name }) => ` AND ${quoted(name)} = ?`).join('')
    const using = ttl > 0 ? ` USING TTL ${ttl}` : ''
    const query = `UPDATE ${this.link.table(of.table)}${using} SET ${names} WHERE ${STORAGE_ID} = ? IF "~version" = ?${fields}`
    const compared = of.fields.map(({ name }): Param => state.row?.[name] ?? null)
    return { query, params: [...set.map(([, value]) => value), ref.id, state.version, ...compared] }
  }

  #part(of: HecubaClass, ref: Ref, name: string, data: Buffer | null, ttl: number): Statement {
    const using = ttl > 0 ? ` USING TTL ${ttl}` : ''
    return {
      query: `UPDATE ${this.link.table(of.table)}${using} SET "~parts"[?] = ? WHERE ${STORAGE_ID} = ?`,
      params: [name, data, ref.id],
    }
  }

  /** See `Backend.bar`: copies compare the version, which is another then. */
  bar(group: Group, ref: Ref): Promise<Receipt | undefined> {
    return this.#lines.stand(ref.id, () => this.#bar(group, ref))
  }

  async #bar(group: Group, ref: Ref): Promise<Receipt | undefined> {
    const of = await this.classes.ready(ref.classId)
    const endMs = Date.now() + this.link.config.patienceMs
    for (let nth = 0; ; nth++) {
      const state = await this.rows.state(of, ref.id, true)
      const standing = receiptOf(group, state, state.parts)
      if (standing === 'barred') return undefined
      if (standing) {
        await ensureCopies(this.link, () => this.rows.state(of, ref.id, false))
        return standing
      }
      const update = this.#update(of, ref, [['~version', newCommitId()]], state.stamp || state.intent ? 0 : GRAVE_S, state)
      if (await this.link.cas([update, this.#part(of, ref, PART.receipt(group.commit), BARRED, this.receiptsKeptS)])) return undefined
      if (Date.now() > endMs) throw this.link.unknownOutcome()
      await delay(Math.random() * Math.min(AGAIN_MS_MAX, 2 ** nth))
    }
  }

  #busy({ id }: Ref): Error {
    return new UnavailableError(
      `${this.link.config.url}: object ${id} is being changed by so many at once that this change did not get its turn; try again`,
      {
        retryable: true,
      },
    )
  }
}

const ownColumns = (value: null): Columns => ['~revision', '~commit', '~seen', '~name', '~noted'].map((name) => [name, value] as const)

/** Of an object that Hecuba made: its name, and that it is noted. */
const kept = ({ stamp, row, name }: HecubaState): Columns =>
  stamp && typeof row?.['~revision'] !== 'number' && name !== undefined
    ? [
        ['~name', name],
        ['~noted', true],
      ]
    : []
