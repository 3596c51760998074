/**
 * Where a class was defined, and which classes the program has. A plain `class Block extends StorageObject` leaves no trace to us at
 * definition (no decorator, no registration call), yet its identity is its module. V8 knows both answers and gives them
 * through the inspector, in process and synchronously; no module is imported for it.
 */
import { Session } from 'node:inspector'

export type Constructor = abstract new (...args: never[]) => object

interface RemoteObject {
  readonly objectId: string
}

/** Where a class stands in the text of the program. */
export interface ClassPlace {
  readonly url: string
  /** Line and column: tells two classes of one module apart. */
  readonly at: string
}

/** Places of classes, in the order given; `undefined` where V8 does not know one. */
export function locateClasses(classes: readonly Constructor[]): (ClassPlace | undefined)[] {
  return withInspector((ask) => {
    const list = hand(ask, classes)
    const properties = ask('Runtime.getProperties', { objectId: list.objectId, ownProperties: true }).result as {
      name: string
      value?: RemoteObject
    }[]
    return classes.map((_, i) => {
      const remote = properties.find((p) => p.name === String(i))?.value
      return remote && placeOf(ask, remote)
    })
  })
}

/** All classes of the program that extend `base`, loaded modules only. Walks the heap: for the rare unknown class only. */
export function subclassesOf(base: Constructor): Constructor[] {
  return withInspector((ask) => {
    const [remote] = [hand(ask, base)]
    const found = ask('Runtime.queryObjects', { prototypeObjectId: remote.objectId }).objects as RemoteObject
    return takeBack(ask, found) as Constructor[]
  })
}

type Ask = (method: string, params?: object) => any

/** Where scripts came from. A script's number is its own for good, and to be told all of them by the debugger takes V8 some fifty milliseconds. */
const urls = new Map<string, string>()

function withInspector<R>(use: (ask: Ask) => R): R {
  const session = new Session()
  session.connect()
  const ask: Ask = (method, params) => {
    let reply: unknown
    let failure: Error | null = null
    // In-process sessions answer before `post` returns.
    session.post(method, params, (error: Error | null, result: unknown) => {
      failure = error
      reply = result
    })
    if (failure) throw failure
    return reply
  }
  session.on('Debugger.scriptParsed', (m: { params: { scriptId: string; url: string } }) => {
    urls.set(m.params.scriptId, m.params.url)
  })
  try {
    return use(ask)
  } finally {
    session.disconnect()
  }
}

const EXCHANGE = Symbol.for('insitu.inspector.exchange')
const exchange = globalThis as unknown as { [EXCHANGE]?: unknown }

/** Hands one of our values to the inspector. */
function hand(ask: Ask, value: unknown): RemoteObject {
  exchange[EXCHANGE] = value
  try {
    return ask('Runtime.evaluate', { expression: "globalThis[Symbol.for('insitu.inspector.exchange')]" }).result as RemoteObject
  } finally {
    delete exchange[EXCHANGE]
  }
}

function takeBack(ask: Ask, remote: RemoteObject): unknown {
  ask('Runtime.callFunctionOn', {
    objectId: remote.objectId,
    functionDeclaration: "function () { globalThis[Symbol.for('insitu.inspector.exchange')] = this }",
  })
  const value = exchange[EXCHANGE]
  delete exchange[EXCHANGE]
  return value
}

function placeOf(ask: Ask, remote: RemoteObject): ClassPlace | undefined {
  const { internalProperties } = ask('Runtime.getProperties', { objectId: remote.objectId, ownProperties: true }) as {
    internalProperties?: { name: string; value?: { value?: { scriptId?: string; lineNumber?: number; columnNumber?: number } } }[]
  }
  const location = internalProperties?.find((p) => p.name === '[[FunctionLocation]]')?.value?.value
  const url = location?.scriptId === undefined ? undefined : urlOf(ask, location.scriptId)
  return url === undefined ? undefined : { url, at: `${location?.lineNumber}:${location?.columnNumber}` }
}

function urlOf(ask: Ask, scriptId: string): string | undefined {
  if (!urls.has(scriptId)) noteRunScripts(ask)
  if (!urls.has(scriptId)) {
    ask('Debugger.disable')
    ask('Debugger.enable') // tells all scripts
  }
  return urls.get(scriptId)
}

/** The scripts of which V8 has counts of calls: nearly all, and told in a fifth of the time, since no sums over their texts are made. */
function noteRunScripts(ask: Ask): void {
  // Without `Profiler.enable`, whose end would end the coverage that a program's tests collect.
  const { result } = ask('Profiler.getBestEffortCoverage') as { result: readonly { scriptId: string; url: string }[] }
  for (const { scriptId, url } of result) urls.set(scriptId, url)
}
