/**
 * A Backend used from another thread or process: reads of a store with wider reach happen where they are asked; everything that changes the
 * store goes to the one committer of the process, which batches the groups of all workers.
 */
import { type Backend, type Group, Packed, Ref } from '../../src/backend.js'
import { type DecodeContext, decodeValue, type EncodeContext, type NestedClass } from '../../src/codec/values.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import { UnavailableError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { Bundle } from './bundle.js'
import { encodeAnyError } from './error-carrier.js'
import type { Port } from './port.js'
import { tight } from './tight.js'

type Method =
  | 'commit'
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
  readonly method: Method | 'next' | 'return'
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

/** A backend that answers on a port. */
export interface ServedBackend {
  /** Groups on their way into the store. */
  readonly committing: number
  /** Whoever asks has ended: nothing of it is committed any more. */
  close(): void
}

/** Answers calls of `remoteBackend` on the other end of the port. */
export function serveBackend(backend: Backend, port: Port): ServedBackend {
  const scans = new Map<number, AsyncIterator<unknown>>()
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
    const told = await answered(backend, scans, call)
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

async function answered(backend: Backend, scans: Map<number, AsyncIterator<unknown>>, call: Call): Promise<Answer> {
  try {
    return { n: call.n, ok: tight(encodeWire((await answer(backend, scans, call)) as Wire)) }
  } catch (error) {
    return { n: call.n, error: tight(encodeAnyError(error, refsOnly)) }
  }
}

async function answer(backend: Backend, scans: Map<number, AsyncIterator<unknown>>, { n, method, args }: Call): Promise<unknown> {
  const list = decodeWire(args) as unknown[]
  if (method === 'next') {
    const scan = scans.get(list[0] as number)
    const step = await scan?.next()
    if (!step || step.done) scans.delete(list[0] as number)
    return step && !step.done ? [step.value] : []
  }
  if (method === 'return') {
    await scans.get(list[0] as number)?.return?.()
    scans.delete(list[0] as number)
    return null
  }
  if (method === 'scan' || method === 'objects' || method === 'aliases') {
    const pages = (backend[method] as (a: unknown) => AsyncIterable<unknown>)(list[0])
    scans.set(n, pages[Symbol.asyncIterator]())
    return n
  }
  return (backend[method] as (...a: unknown[]) => Promise<unknown>)(...list)
}

/** A Backend whose calls travel through `port`; `local` answers reads itself when given. */
export function remoteBackend(port: Port, about: Pick<Backend, 'url' | 'capabilities' | 'domain'>, local?: Backend): Backend {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  let next = 0
  let open = true
  port.on('message', (answers: readonly Answer[]) => {
    for (const { n, ok, error } of answers) {
      const one = waiting.get(n)
      waiting.delete(n)
      if (error) one?.reject(decodeValue(error, asRefs))
      else one?.resolve(decodeWire(ok!))
    }
    if (waiting.size === 0) port.unref()
  })
  const groups = new Bundle<Call>((calls) => {
    if (open) port.postMessage(calls)
  })
  port.unref()
  const ask = (method: Call['method'], ...args: unknown[]): Promise<any> => {
    if (!open) return Promise.reject(new UnavailableError(`${about.url} is closed`))
    const n = next++
    port.ref()
    return new Promise((resolve, reject) => {
      waiting.set(n, { resolve, reject })
      const call: Call = { n, method, args: tight(encodeWire(args as Wire)) }
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
  const far: Backend = {
    ...about,
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
    define: (table) => ask('define', table),
    table: (id) => ask('table', id),
    drop: (id) => ask('drop', id),
    rows: (table, keys) => ask('rows', table, keys),
    scan: (range) => pages('scan', range),
    pieces: (of, atLeast) => ask('pieces', of, atLeast),
    locate: (what) => ask('locate', what),
  }
  return local ? nearReads(local, far) : far
}

/** Reads from the nearby backend, changes through the far one. */
const nearReads = (local: Backend, far: Backend): Backend => ({
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
  define: far.define,
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
})
