/** Values that tasks made and that are too large to travel with every message: they stay on the host that made them. */
import { LostValueError } from '../../src/errors.js'
import type { Port } from '../data/port.js'
import { staysAtHost } from '../data/rides.js'
import type { Carried, Report } from '../engines/messages.js'

/** The port for values on a connection to an agent; those of stores begin at 1. */
export const VALUES_PORT = 0

export type Kept = Extract<Carried, { readonly k: 'r' }>

interface Ask {
  readonly ask: number
  readonly name: string
}

interface Given {
  readonly ask: number
  /** Not there: nobody has it any more. */
  readonly bytes: Uint8Array | undefined
}

const isObject = (value: Carried): value is Exclude<Carried, undefined | null | boolean | number | bigint | string> =>
  typeof value === 'object' && value !== null

/** Whether a value is, or holds, one that is kept elsewhere. */
export function holdsKept(value: Carried): boolean {
  if (!isObject(value)) return false
  if (value.k === 'r') return true
  if (value.k === 'a') return value.e.some(holdsKept)
  return value.k === 'v' && (value.f?.some(holdsKept) ?? false)
}

/** The same value with everything here. */
export async function allHere(value: Carried, bytesOf: (kept: Kept) => Promise<Uint8Array>): Promise<Carried> {
  if (!isObject(value) || !holdsKept(value)) return value
  switch (value.k) {
    case 'r':
      return { k: 'v', b: await bytesOf(value) }
    case 'a':
      return { k: 'a', e: await Promise.all(value.e.map((item) => allHere(item, bytesOf))) }
    case 'v':
      return { k: 'v', b: value.b, f: await Promise.all(value.f!.map((item) => allHere(item, bytesOf))) }
    case 'o':
      return value
  }
}

/** Asks an agent for values. */
export class ValuesOf {
  readonly #waiting = new Map<number, { readonly name: string; resolve(bytes: Uint8Array): void; reject(error: unknown): void }>()
  #next = 0

  constructor(
    readonly port: Port,
    readonly host: string,
  ) {
    port.on('message', ({ ask, bytes }: Given) => {
      const one = this.#take(ask)
      if (bytes) one?.resolve(bytes)
      else one?.reject(lostWith(host))
    })
    port.onRenewed?.(() => {
      for (const [ask, { name }] of this.#waiting) port.postMessage({ ask, name } satisfies Ask)
    })
    port.onLost?.((why) => {
      for (const ask of [...this.#waiting.keys()]) this.#take(ask)?.reject(lostWith(host, why))
    })
  }

  #take(ask: number): { resolve(bytes: Uint8Array): void; reject(error: unknown): void } | undefined {
    const one = this.#waiting.get(ask)
    this.#waiting.delete(ask)
    if (this.#waiting.size === 0) this.port.unref()
    return one
  }

  /** @throws LostValueError */
  get({ n: name }: Kept): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const ask = this.#next++
      this.#waiting.set(ask, { name, resolve, reject })
      this.port.ref()
      this.port.postMessage({ ask, name } satisfies Ask)
    })
  }
}

const lostWith = (host: string, cause?: unknown): Error =>
  new LostValueError(
    `a value that a task had made was lost with the agent of ${host}: run its task again, or let it make a persistent object`,
    {
      host,
      ...(cause !== undefined && { cause }),
    },
  )

/** The values of an agent: those its tasks made, and those it has fetched, each once. */
export class HostValues {
  readonly #own = new Map<string, Uint8Array>()
  readonly #fetched = new Map<string, Promise<Uint8Array>>()
  #made = 0

  constructor(
    readonly host: number,
    readonly peers: readonly ValuesOf[],
    readonly onMoved: (bytes: number) => void,
  ) {}

  /** Answers others. */
  serve(port: Port): void {
    port.on('message', ({ ask, name }: Ask) => void this.#here(name).then((bytes) => port.postMessage({ ask, bytes } satisfies Given)))
  }

  async #here(name: string): Promise<Uint8Array | undefined> {
    return this.#own.get(name) ?? (await this.#fetched.get(name)?.catch(() => undefined))
  }

  /** A report with its large values left here. */
  keepOf(report: Report): Report {
    const results = report.results.map((value) => this.#keep(value))
    const more = report.more.map((one) =>
      one.written ? { ...one, written: one.written.map(([at, value]) => [at, this.#keep(value)] as const) } : one,
    )
    return { ...report, results, more }
  }

  #keep(value: Carried): Carried {
    if (!staysAtHost(value)) return value
    // The process is part of the name: what takes its place must not take the names for its own.
    const name = `${process.pid}-${this.#made++}`
    this.#own.set(name, value.b)
    return { k: 'r', h: this.host, n: name, s: value.b.length }
  }

  /** @throws LostValueError */
  async bytesOf(kept: Kept): Promise<Uint8Array> {
    if (kept.h === this.host) {
      const bytes = await this.#here(kept.n)
      if (!bytes) throw lostWith(this.peers[kept.h]!.host)
      return bytes
    }
    let fetching = this.#fetched.get(kept.n)
    if (!fetching) this.#fetched.set(kept.n, (fetching = this.#fetch(kept)))
    return fetching
  }

  async #fetch(kept: Kept): Promise<Uint8Array> {
    try {
      const bytes = await this.peers[kept.h]!.get(kept)
      this.onMoved(bytes.length)
      return bytes
    } catch (error) {
      this.#fetched.delete(kept.n)
      throw error
    }
  }

  /** Nobody will ask for it any more. */
  release(name: string): void {
    this.#own.delete(name)
    this.#fetched.delete(name)
  }
}
