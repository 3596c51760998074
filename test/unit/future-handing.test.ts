/** Who awaits a future is told without promises in between; who gives callbacks of its own gets what a promise gives. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { expect } from 'chai'
import { type FutureSource, TaskFuture } from '../../runtime/tasks/future.js'
import { isResolver, type Resolver } from '../../runtime/tasks/resolver.js'

/** Counts how it was asked. */
class Source implements FutureSource<number> {
  readonly seen = false
  handed: (readonly [Resolver, Resolver])[] = []
  promises = 0
  #end!: Resolver
  readonly #over = new Promise<number>((resolve) => (this.#end = resolve))

  promise(): Promise<number> {
    this.promises++
    return this.#over
  }

  hand(resolve: Resolver, reject: Resolver): void {
    this.handed.push([resolve, reject])
  }

  cancel(): void {}

  describe(): string {
    return 'a source'
  }

  end(value: number): void {
    this.#end(value)
    for (const [resolve] of this.handed) resolve(value)
  }
}

describe('futures that are awaited', () => {
  let source: Source
  let future: TaskFuture<number>
  beforeEach(() => {
    source = new Source()
    future = new TaskFuture<number>(source)
  })

  const ways: Record<string, (f: TaskFuture<number>) => Promise<unknown>> = {
    await: async (f) => f,
    'Promise.all': async (f) => (await Promise.all([f]))[0],
    'Promise.race': (f) => Promise.race([f]),
    'Promise.allSettled': async (f) => ((await Promise.allSettled([f]))[0] as PromiseFulfilledResult<number>).value,
  }
  for (const [name, wait] of Object.entries(ways))
    it(`hand their outcome to ${name}, without a promise of their own`, async () => {
      const waiting = wait(future)
      await new Promise(setImmediate)
      expect([source.handed.length, source.promises]).to.deep.equal([1, 0])
      source.end(7)
      expect(await waiting).to.equal(7)
    })

  it('call callbacks of the program in the context in which they were given', async () => {
    const storage = new AsyncLocalStorage<string>()
    const found = storage.run('mine', () => future.then((value) => [storage.getStore(), value]))
    source.end(3)
    expect(await found).to.deep.equal(['mine', 3])
    expect([source.handed.length, source.promises]).to.deep.equal([0, 1])
  })

  it('go on after a promise of the program was resolved by them', async () => {
    let over: PromiseLike<unknown> | undefined
    const resolved = new Promise<number>((resolve, reject) => {
      over = future.then(resolve, reject)
    })
    expect(source.handed).to.have.length(1)
    source.end(5)
    expect(await resolved).to.equal(5)
    expect(await over).to.equal(undefined)
  })

  it('tell resolvers of the engine from functions of the program', () => {
    let resolver: unknown
    void new Promise<void>((resolve) => (resolver = resolve))
    expect(isResolver(resolver)).to.equal(true)
    const named = (value: unknown): unknown => value
    for (const other of [undefined, null, named, named.bind(null), Object.defineProperty((v: unknown) => v, 'name', { value: '' }), Number])
      expect(isResolver(other)).to.equal(false)
  })
})
