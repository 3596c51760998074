/** Calls of scripts: repeated while that is harmless and there is patience, each told how far the store had come. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { InsituError, StateLostError, UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { ArgumentRoom } from './argument-room.js'
import { chunks } from './by-domain.js'
import { connected } from './connected.js'
import { Functions } from './functions.js'
import { type Argument, type Client, connectionError, type Driver, isCluster, makeDriver } from './redis-client.js'
import type { RedisConfig } from './redis-config.js'
import { bare, type Failure, failureOf, isGarbage, isKilled, isRefused, namedError, saysNothing, tellsMore } from './redis-errors.js'
import { type Partition, partitionOfKey, type RedisKeys } from './redis-keys.js'
import { type Library, loadScripts, type ScriptName } from './scripts.js'
import { slotOf } from './slot.js'
import { Ways } from './ways.js'

export type Reply = Buffer | number | null | readonly Reply[]
export type { Argument }

export interface Call {
  /** Without one, the values under the keys are read. */
  readonly script?: ScriptName
  /** The domain whose sequence guards the call; all keys lie in it. */
  readonly domain: Partition
  readonly keys: readonly string[]
  /** `isAgain`: a copy of the call may be under way. */
  readonly args?: (isAgain: boolean) => readonly Argument[]
  /** Whether it matters if it was executed. */
  readonly isWrite?: boolean
  readonly copies?: Copies
  /** Large cells that the script finds under their keys: sent before it, past the interpreter, which would copy them twice. */
  readonly cells?: readonly LargeCell[]
}

/** What the calls with one group share: if the answer to one of them was lost, what the next one meets is not yet its end. */
export interface Copies {
  mayTravel: boolean
}

/** A large cell, named by the commit that writes it: nobody else does. It expires unless its object is written. */
export type LargeCell = readonly [key: string, value: string | Buffer]

/** Long enough for anybody who sends a group again, short enough for a busy server's memory. */
export const RECEIPTS_KEPT_MS = 600_000
/** The receipt of a group that was applied less long ago is there, unless it was lost. */
const RECEIPTS_SURE_MS = RECEIPTS_KEPT_MS - 60_000
/** How long a large group that is not decided yet may hold up other writers without a step forward. */
const GATE_LEASE_MS = 2_000
const GATE_PAUSE_MS = 2
/**
 * Scripts that go to keys which no call names. While a slot moves, a server does not know whether such a key is missing or has gone ahead, and
 * says so in the middle of the script, or takes it for missing. Of keys that are named it looks before: so each call names one more, at which
 * nothing ever stands, and is put off until the slot has come to its place.
 */
const REACHING: ReadonlySet<ScriptName> = new Set(['save', 'commit', 'flip'])
const PAUSE_MS_MIN = 10
const PAUSE_MS_MAX = 300
/** Calls that one write carries: enough that it costs them nothing, few enough that the first are answered while the last are made. */
const WRITTEN_AT_ONCE = 128

export class RedisLink {
  /** What the servers take as one argument. */
  readonly room = new ArgumentRoom()
  readonly #scripts = loadScripts()
  readonly #functions = new Functions()
  /** The highest sequence that each domain has shown. */
  readonly #sequences = new Map<Partition, number>()
  /** Domains that were written to, for who waits for further copies. */
  #changed = new Set<Partition>()
  readonly #ways = new Ways()
  #driver: Driver | undefined
  #lastError: Error | undefined
  #lost: StateLostError | undefined

  constructor(
    readonly config: RedisConfig,
    readonly keys: RedisKeys,
  ) {}

  get client(): Client {
    return this.#open.client
  }

  get #open(): Driver {
    if (!this.#driver) throw new UnavailableError(`${this.config.url} is closed.`, { code: 'ERR_CLOSED' })
    return this.#driver
  }

  async open(signal?: AbortSignal): Promise<void> {
    if (this.#driver) return
    const driver = await makeDriver(this.config)
    const { client } = driver
    const note = (error: Error & { readonly lastNodeError?: Error }): void =>
      void (this.#lastError = tellsMore(this.#lastError, error.lastNodeError ?? error))
    client.on('error', note)
    client.on('node error', note)
    client.on('ready', () => void (this.#lastError = undefined))
    this.#ways.follow(client)
    try {
      await connected(this.config, client, signal)
      // A driver that is refused its database goes on in the first one, among the data of others.
      if (!isCluster(client) && this.config.db > 0) await client.select(this.config.db)
      this.#driver = driver
    } catch (error) {
      driver.close()
      signal?.throwIfAborted()
      // One that is taken for silent may have said something, and the driver has not understood it.
      if (error instanceof InsituError) throw isGarbage(this.#lastError) ? namedError(this.config.url, this.#lastError) : error
      const known = tellsMore(this.#lastError, (error as { lastNodeError?: Error }).lastNodeError ?? (error as Error))
      // Of a Cluster the driver keeps to itself why a node cannot be reached.
      const asked = isCluster(client) && saysNothing(known) ? await connectionError(this.config) : undefined
      throw namedError(this.config.url, asked ?? known)
    }
  }

  close(): void {
    const driver = this.#driver
    this.#driver = undefined
    this.#lost = undefined
    this.#functions.forget()
    this.#sequences.clear()
    this.#changed.clear()
    this.#ways.clear()
    driver?.close()
  }

  /** The script's reply without the sequence. */
  async call(call: Call): Promise<readonly Reply[]> {
    const startMs = Date.now()
    const endMs = startMs + this.config.patienceMs
    const copies = call.copies ?? { mayTravel: false }
    let isForgotten = false
    for (let nth = 0, loads = 0; ; ) {
      if (this.#lost) throw this.#lost
      let pauseMs = Math.min(PAUSE_MS_MIN * 2 ** nth++, PAUSE_MS_MAX)
      try {
        const way = this.#ways.to(call.domain, this.client)
        if (this.#ways.isNew(call.domain, way)) await this.#look(call.domain, way)
        const replies = this.#heard(call, await this.#send(call, copies.mayTravel, isForgotten))
        if (!(replies instanceof Gate)) return replies
        if (Date.now() > endMs) throw held(this.config, replies)
        pauseMs = await this.#pass(call.domain, replies, startMs)
        nth = 0
      } catch (error) {
        const failure = this.#failureOf(error)
        isForgotten ||= failure === 'no script'
        if (failure === 'no script') continue
        if (failure === 'no function') {
          await this.#functions.mend(error, this.#libraryOf(call), this.masterOf(call.keys[0]!), loads++)
          continue
        }
        copies.mayTravel ||= failure === 'unknown'
        const isUnknown = copies.mayTravel && call.isWrite === true
        if (failure === 'final') throw this.#refused(error, isUnknown)
        if (Date.now() > endMs) throw this.#givenUp(error, isUnknown)
      }
      if (pauseMs > 0) await delay(pauseMs)
    }
  }

  /** On a new way to a domain: whether what was applied there last still is. @throws StateLostError */
  async #look(domain: Partition, way: string): Promise<void> {
    const commit = this.#ways.witness(domain, RECEIPTS_SURE_MS)
    if (commit !== undefined) {
      const keys = [this.keys.receipts(domain, commit)]
      const replies = await this.#once({ script: 'read', domain, keys, args: () => [commit] })
      if (replies instanceof Gate) return // asked again by the next call
      if ((replies[0] as readonly Reply[])[0] === null) throw this.#stateLost(domain)
    }
    this.#ways.take(domain, way)
  }

  /** A group was applied. */
  applied(domain: Partition, commit: CommitId): void {
    this.#ways.applied(domain, commit)
  }

  /** Whoever meets a decided large group helps it along; for one that is undecided he waits, unless its time is over. */
  async #pass(domain: Partition, { isDecided, commit }: Gate, sinceMs: number): Promise<number> {
    if (isDecided) await this.#once(this.flip(domain, commit, 'step'))
    else if (Date.now() - sinceMs > GATE_LEASE_MS) await this.#once(this.flip(domain, commit, 'free'))
    return isDecided ? 0 : GATE_PAUSE_MS
  }

  /** Unless it is there: an object that has it already must not see it expire. */
  putCell([key, value]: LargeCell): Promise<unknown> {
    return this.#open.send('set', [key, value, 'PX', RECEIPTS_KEPT_MS, 'NX'])
  }

  /** Drops cells of a group that was refused. Those that cannot be reached expire. */
  dropCells(cells: readonly LargeCell[]): void {
    for (const [key] of cells) this.#driver?.send('unlink', [key]).catch(() => {})
  }

  /** A call of flip.lua. */
  flip(domain: Partition, commit: CommitId, word: 'begin' | 'step' | 'free', copies?: Copies): Call {
    return {
      script: 'flip',
      domain,
      keys: [this.keys.group(domain, commit), this.keys.receipts(domain, commit)],
      args: (isAgain) => [commit, word, RECEIPTS_KEPT_MS, GATE_LEASE_MS, isAgain ? 1 : 0],
      isWrite: true,
      ...(copies && { copies }),
    }
  }

  /** A call of bar.lua. */
  bar(domain: Partition, commit: CommitId): Call {
    const keys = [this.keys.receipts(domain, commit), this.keys.group(domain, commit)]
    return { script: 'bar', domain, keys, args: () => [commit, RECEIPTS_KEPT_MS], isWrite: true }
  }

  /** The values under keys of one domain, all of one moment. Guarded like scripts, without the cost of one. */
  read(domain: Partition, keys: readonly string[]): Promise<readonly (Buffer | null)[]> {
    return this.call({ domain, keys }) as Promise<readonly (Buffer | null)[]>
  }

  /** Sends for each item. Where each is a call to a domain of its own, as objects are in a Cluster, many leave in one write. */
  sendEach<Item, R>(items: readonly Item[], send: (item: Item) => R): R[] {
    if (items.length === 1) return [send(items[0]!)]
    const driver = this.#driver
    return chunks(items, WRITTEN_AT_ONCE).flatMap((some) => driver?.together(() => some.map(send)) ?? some.map(send))
  }

  /** Asks each domain for what lies in it, so much at a time at most. */
  async askEach<Item>(
    domains: ReadonlyMap<Partition, readonly Item[]>,
    max: number,
    ask: (domain: Partition, part: readonly Item[]) => Promise<void>,
  ): Promise<void> {
    const calls = [...domains].flatMap(([domain, items]) => chunks(items, max).map((part) => () => ask(domain, part)))
    await Promise.all(this.sendEach(calls, (call) => call()))
  }

  /** Plain commands, repeated like scripts. */
  async command<T>(send: (client: Client) => Promise<T>): Promise<T> {
    const endMs = Date.now() + this.config.patienceMs
    for (let nth = 0; ; nth++) {
      try {
        return await send(this.client)
      } catch (error) {
        if (this.#failureOf(error) === 'final') throw namedError(this.config.url, error)
        if (Date.now() > endMs) throw this.#givenUp(error, false)
      }
      await delay(Math.min(PAUSE_MS_MIN * 2 ** nth, PAUSE_MS_MAX))
    }
  }

  /** The servers that take writes. */
  masters(): readonly Redis[] {
    const { client } = this
    return isCluster(client) ? client.nodes('master') : [client]
  }

  /** The one that has a key, as far as is known. */
  masterOf(key: string): Redis | undefined {
    const { client } = this
    if (!isCluster(client)) return client
    const name = client.slots[slotOf(partitionOfKey(key))]?.[0]
    return client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === name)
  }

  async #once(call: Call): Promise<readonly Reply[] | Gate> {
    const reply = await this.#send(call, false, false).catch((error: unknown) => {
      if (failureOf(error) !== 'no script') throw error
      return this.#send(call, false, true)
    })
    return this.#heard(call, reply)
  }

  /**
   * The driver's own promise: each function that waits for another costs a call of one object more than the reply does. `isForgotten`: a
   * server forgets scripts when it is restarted or told to; EVAL makes it remember.
   */
  #send({ script, domain, keys, args, cells }: Call, isAgain: boolean, isForgotten: boolean): Promise<unknown> {
    if (cells) for (const cell of cells) this.putCell(cell).catch(() => {}) // the script sees whether it is there
    const guarded = [this.keys.sequence(domain), ...keys]
    const driver = this.#open
    if (!script) return driver.send('mget', guarded)
    if (REACHING.has(script) && this.config.kind === 'cluster') guarded.push(this.keys.nothing(domain))
    const { sha, text, library } = this.#scripts[script]
    const rest = [guarded.length, ...guarded, this.#sequences.get(domain) ?? 0, ...(args?.(isAgain) ?? [])]
    if (library && this.#functions.mayBe) return driver.send('fcall_ro', [library.name, ...rest])
    return isForgotten ? driver.send('eval', [text, ...rest]) : driver.send('evalsha', [sha, ...rest])
  }

  #libraryOf({ script }: Call): Library | undefined {
    return script && this.#scripts[script].library
  }

  /**
   * Has `work` wait for copies of what was written in the domains that it is given, and makes sure that what they are copies of still has it: a server that was emptied
   * meanwhile, or another one in its place, has what it has copied quickly.
   * @throws StateLostError; what `work` throws
   */
  async reached(work: (changed: ReadonlySet<Partition>) => Promise<unknown>): Promise<void> {
    const changed = this.#changed
    this.#changed = new Set()
    try {
      await work(changed)
      await Promise.all(this.sendEach([...changed], (domain) => this.read(domain, [])))
    } catch (error) {
      for (const domain of changed) this.#changed.add(domain)
      throw error
    }
  }

  /** What is listed past the guard is nothing to be believed where a domain went back. @throws StateLostError */
  async requireAllSeen(): Promise<void> {
    await Promise.all(this.sendEach([...this.#sequences.keys()], (domain) => this.read(domain, [])))
  }

  #heard({ script, domain, isWrite }: Call, reply: unknown): readonly Reply[] | Gate {
    if (isWrite) this.#changed.add(domain)
    if (!script) return this.#values(domain, reply as Reply[])
    const [sequence, ...results] = reply as readonly Reply[]
    if (sequence instanceof Buffer) {
      const word = sequence.toString()
      if (word === 'lost') throw this.#stateLost(domain, Number(results[0]))
      if (word === 'busy') return new Gate(String(results[0]))
      return reply as readonly Reply[] // what the script says of the table that it was asked about
    }
    this.#told(domain, Number(sequence))
    return results
  }

  #values(domain: Partition, reply: Reply[]): readonly Reply[] | Gate {
    const [number, ...gate] = String(reply.shift() ?? '0').split(' ')
    const sequence = Number(number)
    if (sequence < (this.#sequences.get(domain) ?? 0)) throw this.#stateLost(domain, sequence)
    this.#told(domain, sequence)
    return gate[0]?.startsWith('!') ? new Gate(gate.join(' ')) : reply
  }

  #told(domain: Partition, sequence: number): void {
    if (sequence > (this.#sequences.get(domain) ?? 0)) this.#sequences.set(domain, sequence)
  }

  /** In a Cluster a master that stops being one says so, and another has its slots by and by. */
  #failureOf(error: unknown): Failure {
    const client = this.#driver?.client
    const failure = failureOf(error)
    if (!client || !isCluster(client) || error instanceof InsituError) return failure
    if (failure !== 'no script') client.refreshSlotsCache()
    return (error as Error).message.startsWith('READONLY') ? 'again' : failure
  }

  #stateLost(domain: Partition, found?: number): StateLostError {
    this.#lost = new StateLostError(
      `${this.config.url}: the store went back in time: changes that it had acknowledged are gone. Restore it, or accept its state by opening it again.`,
      { domain, expected: this.#sequences.get(domain), found },
    )
    return this.#lost
  }

  #givenUp(error: unknown, isUnknown: boolean): Error {
    const { url, patienceMs } = this.config
    // Without a connection the driver says no more than that; why there is none it has told to who listens.
    const cause = bare(saysNothing(error as Error) ? (this.#lastError ?? error) : error)
    if (isKilled(cause) || isRefused(cause)) return this.#refused(cause, isUnknown)
    if (isUnknown) return this.#unknownOutcome(`did not answer within ${patienceMs} ms`, cause)
    return new UnavailableError(`${url} did not answer within ${patienceMs} ms: ${cause.message}`, { retryable: true, cause })
  }

  /** What the server says to this copy is nothing that an earlier one has heard. */
  #refused(error: unknown, isUnknown: boolean): Error {
    const named = namedError(this.config.url, error)
    if (!isUnknown || named instanceof StateLostError) return named
    return this.#unknownOutcome('refused a call after one that it did not answer', named)
  }

  #unknownOutcome(what: string, cause: Error): UnknownOutcomeError {
    return new UnknownOutcomeError(`${this.config.url} ${what}; it is not known whether the group was committed`, {
      retryable: true,
      cause,
    })
  }
}

/** What stands at the gate of a domain: lua/staged.lua says how. */
class Gate {
  readonly isDecided: boolean
  readonly commit: CommitId

  constructor(text: string) {
    this.isDecided = text.startsWith('!')
    this.commit = text.slice(1, text.indexOf(' ')) as CommitId
  }
}

const held = ({ url, patienceMs }: RedisConfig, { commit }: Gate): UnavailableError =>
  new UnavailableError(`${url}: the large group ${commit} kept this call waiting for ${patienceMs} ms; try again`, {
    retryable: true,
    commit,
  })
