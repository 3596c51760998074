/** The hosts of a run: their agents, replaced when they end, and the stores that they have open. */
import { rmSync } from 'node:fs'
import type { Backend } from '../../src/backend.js'
import { UnavailableError } from '../../src/errors.js'
import { decodeAnyError, serveBackend } from '../data/backend-port.js'
import type { Carried } from '../engines/messages.js'
import type { WorkerLink } from '../engines/worker-link.js'
import type { Isolation } from '../runtime-config.js'
import { Agent } from './agent.js'
import { farFile } from './host-file.js'
import { HostLink } from './host-link.js'
import { CATALOGUE_PORTS, type FromAgent, socketOf } from './host-messages.js'
import { allHere, type Kept, VALUES_PORT, ValuesOf } from './host-values.js'
import { HostsBackend } from './hosts-backend.js'
import { catalogueUrl, claimHosts, fileUrl, noteMade, requireFiles } from './hosts-folder.js'
import { SlotLink } from './slot-link.js'
import { makeSocketsFolder } from './sockets-folder.js'

/** Agents of a host that may fail to start, one after the other, before it is given up. */
const STARTS_MAX = 3

interface PoolStore {
  readonly number: number
  readonly folder: string
  readonly catalogue: Backend
  readonly whole: HostsBackend
  /** Hosts whose agent has not said that its file is open, or could not open it. */
  readonly waiting: Set<number>
  settle(error?: unknown): void
}

/** A value on its way to a host: however many want it there, it is asked for once. */
interface Bringing {
  readonly isHere: Promise<boolean>
  end(isHere: boolean): void
}

export class HostsPool {
  /** Bytes that went from one host to another, or beside the hosts, for a task. */
  bytesMoved = 0
  /** Bytes that the program itself has loaded from its hosts. */
  bytesLoaded = 0
  /** Told the hosts whose agents have ended, and with them the values of tasks that they kept. */
  onValuesLost: (host: number) => void = () => {}
  readonly #sockets = makeSocketsFolder()
  readonly #agents: Agent[] = []
  readonly #stillborn: number[]
  /** Of each host: the values that it fetches, by name. */
  readonly #bringing: readonly Map<string, Bringing>[]
  readonly #links: readonly HostLink[]
  readonly #values: readonly ValuesOf[]
  readonly #stores = new Map<number, PoolStore>()
  readonly #slots = new Map<number, SlotLink>()
  #spare: Agent | undefined
  #nextStore = 1
  #nextSlot = 0
  /** Whether tasks are pending, and stores that are being opened. */
  #held = false
  #opening = 0
  #closed = false

  constructor(
    readonly count: number,
    /** Whether large values of tasks stay with the hosts that made them. */
    readonly keepsValues: boolean,
  ) {
    this.#stillborn = Array.from({ length: count }, () => 0)
    this.#bringing = Array.from({ length: count }, () => new Map())
    for (let host = 0; host < count; host++) this.#begin(host)
    this.#links = this.#agents.map((_, host) => new HostLink(`host-${host + 1}`, socketOf(this.#sockets, host)))
    this.#values = this.#links.map((link) => new ValuesOf(link.port(VALUES_PORT), link.host))
    process.once('exit', this.#removeSockets)
  }

  readonly #removeSockets = (): void => rmSync(this.#sockets, { recursive: true, force: true })

  // ---- agents

  #begin(host: number): void {
    const agent = this.#spare ?? new Agent()
    this.#spare = undefined
    this.#agents[host] = agent
    agent.hear({ onMessage: (message) => this.#onMessage(host, message), onEnd: (why) => this.#onEnd(host, agent, why) })
    agent.hold(this.#isHeld)
    agent.post({ do: 'become', host, count: this.count, sockets: this.#sockets, keeps: this.keepsValues })
    for (const store of this.#stores.values()) this.#openAt(host, store)
  }

  #openAt(host: number, { number, folder, catalogue }: PoolStore): void {
    const agent = this.#agents[host]!
    serveBackend(catalogue, agent.frames.port(CATALOGUE_PORTS + number))
    agent.post({ do: 'open', store: number, folder })
  }

  #onMessage(host: number, message: FromAgent): void {
    switch (message.do) {
      case 'opened':
        this.#stillborn[host] = 0
        return this.#opened(host, message.store)
      case 'refused':
        return this.#stores.get(message.store)?.settle(decodeAnyError(message.error))
      case 'brought':
        return this.#endBring(host, message.name, message.isHere)
      case 'moved':
        this.bytesMoved += message.bytes
        return
      case 'from':
        return this.#slots.get(message.slot)?.take(message.message)
      case 'gone': {
        const slot = this.#slots.get(message.slot)
        this.#slots.delete(message.slot)
        return slot?.gone(Object.assign(new Error(message.why), message.code !== undefined && { code: message.code }))
      }
    }
  }

  #opened(host: number, number: number): void {
    const store = this.#stores.get(number)
    store?.waiting.delete(host)
    if (store?.waiting.size === 0) store.settle()
  }

  /** Its file is whole; another process goes on with it. */
  #onEnd(host: number, agent: Agent, why: Error): void {
    if (this.#closed || this.#agents[host] !== agent) return
    for (const name of [...this.#bringing[host]!.keys()]) this.#endBring(host, name, false)
    this.onValuesLost(host)
    if (++this.#stillborn[host]! > STARTS_MAX) return this.#giveUp(host, why)
    this.#begin(host)
    for (const [number, slot] of [...this.#slots])
      if (slot.agent === agent) {
        this.#slots.delete(number)
        slot.gone(why)
      }
  }

  #giveUp(host: number, cause: Error): void {
    const error = new UnavailableError(`host-${host + 1} cannot be started: ${cause.message}`, { code: 'ERR_HOST_LOST', cause })
    for (const store of this.#stores.values()) store.settle(error)
    for (const slot of [...this.#slots.values()]) if (slot.agent === this.#agents[host]) slot.gone(error)
  }

  /** Keeps the program alive while tasks are pending, and no longer. */
  hold(held: boolean): void {
    this.#held = held
    this.#holdAll()
  }

  get #isHeld(): boolean {
    return this.#held || this.#opening > 0
  }

  #holdAll(): void {
    for (const agent of this.#agents) agent.hold(this.#isHeld)
  }

  /** Has an agent ready to stand in for one that is lost. */
  prepareSpare(modules: readonly string[]): void {
    if (this.#closed || this.#spare) return
    const spare = new Agent()
    spare.hear({
      onMessage: () => {},
      onEnd: () => {
        if (this.#spare === spare) this.#spare = undefined
      },
    })
    this.#spare = spare
    spare.post({ do: 'warm', modules })
  }

  /** For tests: the process of a host's agent. */
  pidOf(host: number): number | undefined {
    return this.#agents[host]!.pid
  }

  // ---- workers

  /** A worker on a host. */
  worker(host: number, isolation: Isolation): WorkerLink {
    const slot = new SlotLink(this.#agents[host]!, this.#nextSlot++, isolation, (backend) => this.#placeOf(backend, host))
    this.#slots.set(slot.number, slot)
    return slot
  }

  #placeOf(backend: Backend, host: number): { store: number; folder: string; host: number; count: number } | undefined {
    for (const { number, folder, whole } of this.#stores.values())
      if (whole === backend) return { store: number, folder, host, count: this.count }
    return undefined
  }

  // ---- values

  /** A value with everything here. @throws LostValueError */
  fetch(value: Carried): Promise<Carried> {
    return allHere(value, async (kept) => {
      const bytes = await this.#values[kept.h]!.get(kept)
      this.bytesLoaded += bytes.length
      return bytes
    })
  }

  /** Has a host fetch a value of another; whether it has it then. */
  bring(host: number, value: Kept): Promise<boolean> {
    const known = this.#bringing[host]!.get(value.n)
    if (known) return known.isHere
    let end!: Bringing['end']
    const isHere = new Promise<boolean>((resolve) => (end = resolve))
    this.#bringing[host]!.set(value.n, { isHere, end })
    this.#agents[host]!.post({ do: 'bring', value })
    return isHere
  }

  #endBring(host: number, name: string, isHere: boolean): void {
    this.#bringing[host]!.get(name)?.end(isHere)
    this.#bringing[host]!.delete(name)
  }

  /** Nobody will ask for a value any more. */
  release(name: string): void {
    if (!this.#closed) for (const agent of this.#agents) agent.post({ do: 'release', name })
  }

  // ---- stores

  /** A store in a folder, each host's part of it opened by its agent. */
  async open(folder: string): Promise<HostsBackend> {
    claimHosts(folder, this.count)
    requireFiles(folder)
    const number = this.#nextStore++
    const { createBackend } = await import('insitu/backends/nvram') // only now: a program without files never loads LMDB
    const catalogue = createBackend(catalogueUrl(folder))
    await catalogue.open()
    const whole = this.#wholeOf(number, folder, catalogue)
    const opened = new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
      this.#stores.set(number, { number, folder, catalogue, whole, waiting: new Set(this.#agents.keys()), settle })
    })
    this.#opening++
    this.#holdAll()
    try {
      for (let host = 0; host < this.count; host++) this.#openAt(host, this.#stores.get(number)!)
      await opened
      noteMade(folder)
      await whole.replicas.learn()
      return whole
    } catch (error) {
      await this.#close(number)
      throw error
    } finally {
      this.#opening--
      this.#holdAll()
    }
  }

  #wholeOf(number: number, folder: string, catalogue: Backend): HostsBackend {
    const { capabilities } = catalogue
    const files = this.#links.map((link, host) => farFile(link.port(number), { url: fileUrl(folder, host, this.count), capabilities }))
    return new HostsBackend({
      url: `nvram:${folder}`,
      files,
      catalogue,
      haveAgents: true,
      onMoved: (bytes) => (this.bytesLoaded += bytes),
      onMovedForTasks: (bytes) => (this.bytesMoved += bytes),
      onClosed: () => this.#close(number),
    })
  }

  async #close(number: number): Promise<void> {
    const store = this.#stores.get(number)
    if (!this.#stores.delete(number)) return
    await store?.catalogue.close()
    for (const agent of this.#agents) agent.post({ do: 'close', store: number })
  }

  /** Ends the agents; what they have committed stands. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const link of this.#links) link.close()
    await Promise.all([...this.#agents, ...(this.#spare ? [this.#spare] : [])].map((agent) => agent.end()))
    process.off('exit', this.#removeSockets)
    this.#removeSockets()
  }
}
