/** Any value that fields may hold, made of what the design lists, with shared parts and cycles; and any that they may not. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NotFoundError, type Store, ValidationError } from '../../runtime/index.js'
import { recordOf } from '../../src/objects/class-settings.js'
import { differenceOf } from '../unit/codec-same-graph.js'
import { Node, Point } from './objects-classes.js'
import { inOrder } from './objects-model.js'
import { isReal } from './objects-session.js'
import { copyOf } from './objects-values.js'

const memory = (): ArrayBuffer => Uint8Array.from({ length: 48 }, (_, i) => i * 7).buffer

/** One of each kind, made anew each time. */
const LEAVES: readonly (() => unknown)[] = [
  ...[undefined, null, true, false, 0, -0, 1, -1.5, 2 ** 53, 5e-324, Number.NaN, Infinity, -Infinity].map((value) => () => value),
  ...['', 'text', 'ü🦊\u0000', '\ud800', '__proto__', 'x'.repeat(70_000), 0n, -1n, 2n ** 63n, -(2n ** 200n)].map((value) => () => value),
  ...[0, -1, 8.64e15, Number.NaN].map((ms) => () => new Date(ms)),
  () => Object.assign(/a+b/giu, { lastIndex: 3 }),
  () => Object.assign(new RangeError('too far', { cause: new TypeError('why') }), { code: 'E_FAR', by: [1] }),
  () => new AggregateError([new Error('one')], 'all'),
  () => new NotFoundError('gone', { id: 'x' }),
  () => new Uint8Array(0),
  () => new Float64Array(memory(), 8, 2),
  () => new Int8Array(memory(), 3, 5),
  () => new Uint8ClampedArray(memory()),
  () => new Int16Array(memory(), 2, 3),
  () => new Uint16Array(memory()),
  () => new Int32Array(memory(), 4),
  () => new Uint32Array(memory()),
  () => new Float32Array([1.5, Number.NaN, -0]),
  () => new BigInt64Array([-(2n ** 63n)]),
  () => new BigUint64Array(memory(), 8, 1),
  () => new DataView(memory(), 5, 6),
  () => new ArrayBuffer(0),
  memory,
  () => Buffer.from('buffer'),
  () => Object.assign([1, , 3], { extra: true }), // oxlint-disable-line no-sparse-arrays
  () => new Array(3),
  () => Object.assign(Object.create(null) as object, { constructor: 1, ['__proto__']: 2 }),
  () => Object.defineProperty({}, '__proto__', { value: 1, enumerable: true, writable: true, configurable: true }),
  () => new Uint8Array(200_000).fill(9),
]

/** What cannot be stored. */
const UNSTORABLE: readonly (() => unknown)[] = [
  () => (): number => 1,
  () => Symbol('s'),
  () => Symbol.iterator,
  () => new WeakMap(),
  () => Promise.resolve(),
  () => new Proxy(() => 1, {}),
  () => new (class Unknown {})(),
  () => (function* () {})(),
]

type Shape =
  | { readonly is: 'leaf' | 'again' | 'object' | 'bad'; readonly at: number }
  | { readonly is: 'list' | 'map' | 'set' | 'record' | 'point'; readonly of: readonly Shape[] }

const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    { weight: 6, arbitrary: fc.record({ is: fc.constant('leaf' as const), at: fc.nat(LEAVES.length - 1) }) },
    { weight: 3, arbitrary: fc.record({ is: fc.constant('again' as const), at: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('object' as const), at: fc.nat(2) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        is: fc.constantFrom('list' as const, 'map' as const, 'set' as const, 'record' as const, 'point' as const),
        of: fc.array(tie('shape'), { maxLength: 4 }),
      }),
    },
  ),
}))

/** Fields of one object, which share what they like. */
export const fieldShapes = fc.record({ a: shape, b: shape, undeclared: shape })
export type FieldShapes = typeof fieldShapes extends fc.Arbitrary<infer T> ? T : never

class Maker {
  readonly #made: unknown[] = []
  readonly #objects = [0, 1, 2].map(() => new Node())

  make(from: Shape): unknown {
    switch (from.is) {
      case 'leaf':
        return this.#keep(LEAVES[from.at]!())
      case 'bad':
        return UNSTORABLE[from.at % UNSTORABLE.length]!()
      case 'again':
        return this.#made.length > 0 ? this.#made[from.at % this.#made.length] : null
      case 'object':
        return this.#objects[from.at]
      case 'list':
        return this.#filled<unknown[]>([], from.of, (list, one) => list.push(one))
      case 'map':
        return this.#filled(new Map<unknown, unknown>(), from.of, (map, one) => map.set(map.size % 2 === 0 ? one : 'key', one))
      case 'set':
        return this.#filled(new Set<unknown>(), from.of, (set, one) => set.add(one))
      case 'record':
        return this.#filled<Record<string, unknown>>({}, from.of, (record, one) => (record[`p${Object.keys(record).length}`] = one))
      case 'point':
        return this.#filled(new Point(), from.of, (point, one) => (point.next = one))
      default:
        return from satisfies never
    }
  }

  #filled<T>(empty: T, of: readonly Shape[], add: (to: T, one: unknown) => unknown): T {
    this.#keep(empty)
    for (const one of of) add(empty, this.make(one))
    return empty
  }

  #keep<T>(value: T): T {
    this.#made.push(value)
    return value
  }
}

function fill(node: Node, shapes: FieldShapes): void {
  const maker = new Maker()
  for (const [name, from] of Object.entries(shapes)) recordOf(node)[name] = maker.make(from)
}

/** A node's fields as a graph of their own: the order of fields is not kept, and of other objects only their ids are compared. */
function graphOf(node: Node): object {
  const ids = new Map<object, object>()
  return copyOf(inOrder(node), (o) => {
    if (!isReal(o)) return CONTAINERS.has(Object.getPrototypeOf(o) as object) ? undefined : o
    const id = ids.get(o) ?? { id: o.getID() }
    ids.set(o, id)
    return id
  })
}

/** What may hold objects is copied, all else compared as it is. */
const CONTAINERS = new Set<object>([Array.prototype, Map.prototype, Set.prototype, Object.prototype, Point.prototype])

/** What one program saves, another loads as it was; and it is not changed by being loaded. */
export async function comesBack(one: Store, other: Store, first: FieldShapes, then: FieldShapes): Promise<void> {
  const node = new Node()
  const asLoaded = (): Promise<Node> => other.run(() => Node.getByID(node.getID()!))
  for (const shapes of [first, then]) {
    fill(node, shapes)
    await one.run(() => (node.getID() === null ? node.makePersistent() : node.save()))
    const copy = await asLoaded()
    assert.equal(differenceOf(graphOf(node), graphOf(copy)), undefined)
    await one.run(() => node.reload()) // which is refused where it counts as changed
    await other.run(() => copy.reload())
    assert.equal(differenceOf(graphOf(node), graphOf(copy)), undefined)
  }
}

/** One value that cannot be stored, anywhere among others: the whole is refused, with its path, and the program goes on. */
export async function isRefused(store: Store, shapes: FieldShapes, bad: number, alias: string): Promise<void> {
  await store.run(async () => {
    const node = new Node()
    fill(node, shapes)
    const holder = { deep: [new Maker().make({ is: 'bad', at: bad })] }
    Object.assign(node, { holder })
    const error: unknown = await node.makePersistent(alias).then(
      () => undefined,
      (e: unknown) => e,
    )
    assert.ok(error instanceof ValidationError, String(error))
    assert.equal((error as { path?: string }).path, 'holder.deep[0]')
    assert.equal(node.getID(), null)
    await assert.rejects(Node.getByAlias(alias), NotFoundError)
    Object.assign(node, { holder: null })
    await node.makePersistent(alias)
    Object.assign(node, { holder })
    await assert.rejects(node.save(), ValidationError)
    Object.assign(node, { holder: null })
    await node.deletePersistent()
  })
}
