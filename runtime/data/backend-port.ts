/**
 * A Backend used from another thread or process: reads of a store with wider reach happen where they are asked; everything that changes the
 * store goes to the one committer of the process, which batches the groups of all workers.
 */
import { type Backend, type Group, Packed, type Receipt, Ref, type StreamItem, type Streams } from '../../src/backend.js'
import { type DecodeContext, decodeValue, type EncodeContext, type NestedClass } from '../../src/codec/values.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import type { CommitId, Host } from '../../src/ids.js'
import { noStreams } from '../../src/streams/no-streams.js'
import { Bundle } from './bundle.js'
import { encodeAnyError } from './error-carrier.js'
import type { Port } from './port.js'
import { tight } from './tight.js'

type StreamMethod = 'append' | 'read' | 'ack' | 'release' | 'end' | 'drop'
type Method =
  | `streams.${StreamMethod}`
  | 'commit'
  | 'bar'
  | 'flush'
  | 'read'
  | 'marks'
  | 'staged'
  | 'find'
  | 'objects'
  | 'aliases'
  | 'define'
  | 'table'
  | 'drop'
  | 'rows'
  | 'scan'
  | 'pieces'
  | 'locate'
interface Call {
  readonly n: number
  /** Of the contract, of a scan, or one that whoever serves has beside them. */
  readonly method: Method | 'next' | 'return' | (string & {})
  readonly args: Uint8Array
}
interface Answer {
  readonly n: number
  readonly ok?: Uint8Array
  readonly error?: Uint8Array
}

/** An intent that stood in a group's way holds cells: whoever resolves it needs them as they are. */
const packed: NestedClass = {
  name: 'Packed',
  fields: (value) => new Map([['bytes', (value as Packed).bytes]]),
  rebuild: (fields) => new Packed(fields.get('bytes') as Uint8Array),
}

/** Errors of a store name what they are about by reference; there are no objects below the contract. */
const refsOnly: EncodeContext = {
  refOf: (value) => (value instanceof Ref ? value : undefined),
  collectionOf: () => undefined,
  classOf: (value) => (value instanceof Packed ? packed : undefined),
}
const asRefs: DecodeContext = {
  resolve: (ref) => ref,
  collection: () => undefined,
  nested: (name) => (name === packed.name ? packed : undefined),
}

/** An error as another process encoded it, with references for objects. */
export const decodeAnyError = (bytes: Uint8Array): unknown => decodeValue(bytes, asRefs)

/** A backend that answers on a port. */
export interface ServedBackend {
  /** Groups on their way into the store. */
  readonly committing: number
  /** Whoever asks has ended: nothing of it is committed any more. */
  close(): void
}

/** What is served beside the contract, by name. */
export type FurtherCalls = Readonly<Record<string, (...args: any[]) => Promise<unknown>>>

interface Serving {
  readonly backend: Backend
  readonly further: FurtherCalls
  readonly scans: Map<number, AsyncIterator<unknown>>
}

/** Answers calls of `remoteBackend` on the other end of the port. */
export function serveBackend(backend: Backend, port: Port, further: FurtherCalls = {}): ServedBackend {
  const scans = new Map<number, AsyncIterator<unknown>>()
  const serving: Serving = { backend, further, scans }
  const served = {
    committing: 0,
    close: () => {
      port.removeAllListeners('message')
      port.close()
      for (const scan of scans.values()) void scan.return?.().catch(() => {})
      scans.clear()
    },
  }
  const receipts = new Bundle<Answer>((answers) => port.postMessage(answers))
  const serve = async (call: Call): Promise<void> => {
    const isCommit = call.method === 'commit'
    if (isCommit) served.committing++
    const told = await answered(serving, call)
    if (!isCommit) return port.postMessage([told])
    served.committing--
    receipts.add(told)
  }
  // Groups that come together reach the store together, which makes them one transaction.
  port.on('message', (calls: readonly Call[]) => {
    for (const call of calls) void serve(call)
  })
  port.unref()
  return served
}

async function answered(serving: Serving, call: Call): Promise<Answer> {
  try {
    return { n: call.n, ok: tight(encodeWire((await answer(serving, call)) as Wire)) }
  } catch (error) {
    return { n: call.n, error: tight(encodeAnyError(error, refsOnly)) }
  }
}

async function answer({ backend, further, scans }: Serving, { n, method, args }: Call): Promise<unknown> {
  const list = decodeWire(args) as unknown[]
  if (method === 'next') {
    const scan = scans.get(list[0] as number)
    // It was begun with somebody who is gone. To end it here would read as "that was all".
    if (!scan)
      throw new UnavailableError('the scan cannot go on: its host was lost; begin it again', { code: 'ERR_SCAN_LOST', retryable: true })
    const step = await scan.next()
    if (step.done) scans.delete(list[0] as number)
    return step.done ? [] : [step.value]
  }
  if (method === 'return') {
    await scans.get(list[0] as number)?.return?.()
    scans.delete(list[0] as number)
    return null
  }
  if (method === 'scan' || method === 'objects' || method === 'aliases') {
    const pages = (backend[method as 'scan'] as (a: unknown) => AsyncIterable<unknown>)(list[0])
    scans.set(n, pages[Symbol.asyncIterator]())
    return n
  }
  const [, ofStreams] = method.split('.') as [string, StreamMethod?]
  if (ofStreams) {
    if (!backend.streams) throw noStreams(backend.url)
    return (backend.streams[ofStreams] as (...a: unknown[]) => Promise<unknown>)(...list)
  }
  const own = Object.hasOwn(further, method) ? further[method] : undefined
  return own ? own(...list) : (backend[method as 'read'] as (...a: unknown[]) => Promise<unknown>)(...list)
}

/** A Backend elsewhere. */
export interface RemoteBackend extends Backend {
  /** What is served beside the contract. */
  call(method: string, ...args: readonly unknown[]): Promise<any>
}

interface Waiting {
  readonly call: Call
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** What is known of a backend without asking it. */
export type About = Pick<Backend, 'url' | 'capabilities' | 'domain' | 'places'>

/** A Backend whose calls travel through `port`; `local` answers reads itself when given. */
export function remoteBackend(port: Port, about: About, local?: Backend): RemoteBackend {
  const waiting = new Map<number, Waiting>()
  let next = 0
  let open = true
  port.on('message', (answers: readonly Answer[]) => {
    for (const { n, ok, error } of answers) {
      const one = waiting.get(n)
      waiting.delete(n)
      if (error) one?.reject(decodeAnyError(error))
      else one?.resolve(decodeWire(ok!))
    }
    if (waiting.size === 0) port.unref()
  })
  const groups = new Bundle<Call>((calls) => {
    if (open) port.postMessage(calls)
  })
  port.unref()
  // Every call may be sent again: a group has its id, the others change nothing or end where they end.
  port.onRenewed?.(() => {
    for (const { call } of waiting.values()) port.postMessage([call])
  })
  port.onLost?.((why) => {
    for (const [n, { call, reject }] of waiting) {
      waiting.delete(n)
      reject(
        call.method === 'commit'
          ? new UnknownOutcomeError(`${about.url}: it is not known whether the group was committed`, { cause: why })
          : new UnavailableError(`${about.url} cannot be reached`, { cause: why }),
      )
    }
    port.unref()
  })
  const ask = (method: Call['method'], ...args: unknown[]): Promise<any> => {
    if (!open) return Promise.reject(new UnavailableError(`${about.url} is closed`))
    const n = next++
    port.ref()
    return new Promise((resolve, reject) => {
      const call: Call = { n, method, args: tight(encodeWire(args as Wire)) }
      waiting.set(n, { call, resolve, reject })
      if (method === 'commit') groups.add(call)
      else port.postMessage([call])
    })
  }
  const pages = async function* (method: 'scan' | 'objects' | 'aliases', arg: unknown): AsyncGenerator<any> {
    const scan = (await ask(method, arg)) as number
    let done = false
    try {
      for (;;) {
        const step = (await ask('next', scan)) as unknown[]
        if (step.length === 0) {
          done = true
          return
        }
        yield step[0]
      }
    } finally {
      if (!done) await ask('return', scan)
    }
  }
  const far: RemoteBackend = {
    ...about,
    call: ask,
    domain: (op) => about.domain(op),
    open: async () => {},
    close: async () => {
      open = false
      port.close()
    },
    commit: async (group: Group) => {
      const receipt = (await ask('commit', group)) as { applied: boolean; stamps: ReadonlyMap<never, never>; mark?: never }
      return receipt
    },
    flush: (ack) => ask('flush', ack),
    read: (refs) => ask('read', refs),
    marks: (home, keys) => ask('marks', home, keys),
    staged: (home, commit: CommitId) => ask('staged', home, commit),
    find: (what) => ask('find', what),
    objects: (of) => pages('objects', of),
    aliases: (of) => pages('aliases', of),
    define: (table, alias) => ask('define', table, alias),
    table: (id) => ask('table', id),
    drop: (id) => ask('drop', id),
    rows: (table, keys) => ask('rows', table, keys),
    scan: (range) => pages('scan', range),
    pieces: (of, atLeast) => ask('pieces', of, atLeast),
    locate: (what) => ask('locate', what),
    streams: farStreams(ask),
    // A store on the network has its own copies.
    ...(about.places &&
      about.capabilities.reach !== 'network' && {
        replicas: { copy: (ref, to) => ask(COPY, ref, to), drop: (ref, at) => ask(DROP_COPY, ref, at) },
      }),
  }
  return local ? nearReads(local, far) : far
}

/** Streams of the store; a store without them says so by itself. Reading waits there, and once given up it gives back what it gets. */
const farStreams = (ask: (method: Method, ...args: unknown[]) => Promise<any>): Streams => ({
  append: (stream, producer, from, items) => ask('streams.append', stream, producer, from, items),
  read: async (stream, read, signal) => {
    signal?.throwIfAborted()
    const given = ask('streams.read', stream, read) as Promise<readonly StreamItem[]>
    if (!signal) return given
    return unlessAborted(given, signal, ([...items]) =>
      ask(
        'streams.release',
        stream,
        read.group,
        items.map(([id]) => id),
      ),
    )
  },
  ack: (stream, group, ids) => ask('streams.ack', stream, group, ids),
  release: (stream, group, ids) => ask('streams.release', stream, group, ids),
  end: (stream) => ask('streams.end', stream),
  drop: (stream) => ask('streams.drop', stream),
  items: () => {
    throw new TypeError('only whoever has the store open looks at all items')
  },
})

function unlessAborted<T>(given: Promise<T>, signal: AbortSignal, giveBack: (late: T) => Promise<unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      reject(signal.reason as Error)
      given.then(giveBack).catch(() => {})
    }
    signal.addEventListener('abort', aborted, { once: true })
    given.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

/** Further calls for copies, which only a store of several hosts has. */
const COPY = 'copy'
const DROP_COPY = 'dropCopy'
export const copyCalls = ({ replicas }: Backend): FurtherCalls =>
  replicas
    ? {
        [COPY]: (ref: Ref, to: Host) => replicas.copy(ref, to).then(() => null),
        [DROP_COPY]: (ref: Ref, at: Host) => replicas.drop(ref, at).then(() => null),
      }
    : {}

/** Reads from the nearby backend, changes through the far one. */
const nearReads = (local: Backend, far: RemoteBackend): RemoteBackend => ({
  ...(far.places && { places: far.places }),
  ...((far.replicas ?? local.replicas) && { replicas: (far.replicas ?? local.replicas)! }),
  ...(local.bar && { bar: (group) => far.call('bar', group) as Promise<Receipt | undefined> }),
  ...(local.placing && { placing: (table) => local.placing!(table) }),
  call: far.call,
  url: local.url,
  capabilities: local.capabilities,
  domain: (op) => local.domain(op),
  open: (signal) => local.open(signal),
  close: async () => {
    await local.close()
    await far.close()
  },
  commit: far.commit,
  flush: far.flush,
  define: async (table, alias) => {
    await far.define(table, alias)
    await local.table(table.id) // it may have gained columns since it was last looked at here
  },
  drop: far.drop,
  read: (refs) => local.read(refs),
  marks: (home, keys) => local.marks(home, keys),
  staged: (home, commit) => local.staged(home, commit),
  find: (what) => local.find(what),
  objects: (of) => local.objects(of),
  aliases: (of) => local.aliases(of),
  table: (id) => local.table(id),
  rows: (table, keys) => local.rows(table, keys),
  scan: (range, signal) => local.scan(range, signal),
  pieces: (of, atLeast) => local.pieces(of, atLeast),
  locate: (what) => local.locate(what),
  ...(local.streams && { streams: far.streams! }),
})
