import { aliasKey, rowKey } from './model-store.js'
import { act, findName, increment, readObjects, rowState, TALLIES, tally } from './programs.js'
import { type Protocol, realProtocol } from './protocol.js'
import { Client, LEASE_MS, World } from './world.js'

/** Beyond this a schedule is taken to hang; the longest seen has some 2,000 events. */
const STEPS_MAX = 20_000
const CRASH = 0.006

/** What happens one after the other; each begins when no program runs, `flush` and `done` also when no message is on its way. */
const PHASES = ['trouble', 'recovery', 'flush', 'progress', 'flush', 'recovery', 'flush', 'done'] as const

/**
 * One schedule: several clients in trouble; then no more faults, and a recovery while late messages still arrive. When the last has
 * arrived one unit over everything must get through, and after one more recovery nothing may be left over. `next` makes one event
 * happen; between two events every client runs until it waits again.
 */
export class Schedule {
  readonly world: World
  crashes = 0
  #at = 0
  #running = 0

  constructor(
    readonly seed: number,
    protocol: Protocol = realProtocol,
  ) {
    this.world = new World(seed, protocol)
    const { random } = this.world
    const clients = 2 + random.below(3)
    for (let i = 0; i < clients; i++) this.#start(`c${i}`, async (client) => this.#acts(client, 1 + random.below(3)))
  }

  get over(): boolean {
    return this.#phase === 'done' || this.world.truth.violations.length > 0
  }

  get #phase(): (typeof PHASES)[number] {
    return PHASES[this.#at]!
  }

  get violations(): readonly string[] {
    return this.world.truth.violations
  }

  next(): void {
    const { network, random } = this.world
    if (this.#phase === 'trouble' && random.chance(CRASH * network.harshness)) this.#crash()
    if (network.step > STEPS_MAX) this.#hangs()
    else if (this.#running > 0) network.next() || this.#hangs()
    else if (this.#phase !== 'flush' || !network.next()) this.#enter(PHASES[++this.#at]!)
  }

  /** Programs wait for what cannot happen, or will not stop. */
  #hangs(): void {
    this.world.truth.fault(`hangs in ${this.#phase}`)
  }

  async #acts(client: Client, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await act(client)
  }

  #enter(phase: (typeof PHASES)[number]): void {
    this.world.network.calm = true
    if (phase === 'recovery') this.#start(phase, (client) => this.#recover(client))
    if (phase === 'progress') this.#start(phase, (client) => this.#progress(client))
    if (phase === 'done') this.#judge()
  }

  #start(name: string, program: (client: Client) => Promise<void>): void {
    const client = new Client(this.world, name)
    this.#running++
    client.caller.running++
    const ended = (): void => {
      if (client.caller.alive) this.#running--
      client.caller.running--
    }
    program(client).then(ended, (error: Error) => {
      this.world.truth.fault(`${name} failed: ${error.stack}`)
      ended()
    })
  }

  #crash(): void {
    const alive = this.world.callers.filter((caller) => caller.alive && caller.running > 0)
    if (alive.length === 0) return
    const caller = this.world.random.pick(alive)
    this.world.network.crash(caller)
    this.#running -= caller.running
    this.crashes++
  }

  /** Opens everything that a listing shows, as `gc` does; what is undecided is waited for. */
  async #recover(client: Client): Promise<void> {
    const { stores, names, network, truth, table } = this.world
    for (let times = 0; times < 4; times++) {
      const listed = stores.flatMap((store) => [...store.things.values()].map(({ ref }) => ref))
      const known = listed.filter(({ id }) => truth.knows(id)) // an orphan is listed, but nobody's to read
      await readObjects(client, known)
      for (const alias of names) await findName(client, alias)
      // One on a row is ended by who writes it next.
      for (const key of TALLIES) if (stores.some(({ intents }) => intents.has(rowKey(table, key)))) await tally(client, key)
      if (stores.every((store) => store.intents.size === 0)) return
      await network.sleep(client.caller, LEASE_MS + 1)
    }
  }

  async #progress(client: Client): Promise<void> {
    const outcome = await increment(client, this.world.accounts)
    if (outcome !== 'applied') this.world.truth.fault(`no progress after recovery: ${outcome}`)
  }

  // At the end: the stores say what the truth says -----------------------------------------------------------------------------

  #judge(): void {
    const { stores, truth } = this.world
    for (const store of stores) {
      for (const key of store.intents.keys()) truth.fault(`an intent is left on ${key}`)
      for (const key of store.staged.keys()) truth.fault(`redo is left at ${key}`)
    }
    for (const key of truth.keys()) this.#compare(key)
    this.#judgeRows()
  }

  #compare(key: string): void {
    const { truth } = this.world
    const is = this.#stands(key)
    const ought = truth.now(key)
    if (is.by !== ought.by || is.n !== ought.n) truth.fault(`${key} is ${is.by}:${is.n}, and ought to be ${ought.by}:${ought.n}`)
  }

  #stands(key: string): { by: string | null; n: number } {
    for (const store of this.world.stores) {
      const thing = store.things.get(key)
      if (thing) return { by: thing.cells.get('by') as string, n: thing.cells.get('n') as number }
      const row = store.rows.get(key)
      if (row) return rowState(row.set)
    }
    const alias = this.world.names.find((name) => aliasKey(name) === key)
    const ref = alias === undefined ? undefined : this.world.storeOf(alias).names.get(alias)
    return { by: ref?.id ?? null, n: 0 }
  }

  #judgeRows(): void {
    const { truth, table } = this.world
    const { rows, counters } = this.world.storeOf(table)
    for (const key of truth.rows) if (!rows.has(key)) truth.fault(`${key} is missing`)
    const tallies = new Set(TALLIES.map((key) => rowKey(table, key)))
    for (const key of rows.keys()) if (!tallies.has(key) && !truth.rows.has(key)) truth.fault(`${key} is of a unit that never committed`)
    for (const key of new Set([...counters.keys(), ...truth.counters.keys()]))
      if ((counters.get(key) ?? 0n) !== (truth.counters.get(key) ?? 0n))
        truth.fault(`${key} is ${counters.get(key)}, and ought to be ${truth.counters.get(key)}`)
  }
}
