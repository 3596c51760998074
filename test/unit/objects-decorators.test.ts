import { createRequire } from 'node:module'
import { expect } from 'chai'
import { Exclude, Expose, Type } from 'class-transformer'
import { connect, getByID, StorageObject } from '../../runtime/index.js'
import { field, transient } from '../../src/objects/decorators.js'
import { Store } from '../../src/store.js'

class Point {
  x = 1
  norm(): number {
    return Math.abs(this.x)
  }
}
class Circle {
  r = 1
}

/** As compilers do it in TC39 mode. */
class Modern extends StorageObject {
  @field(() => Point) centre = new Point()
  @field(() => [Point, Circle]) shapes: (Point | Circle)[] = []
  @transient cache = new Map([['made', 'here']])
  kept = 1
}

class ModernChild extends Modern {
  @transient scratch = 'fresh'
  @field(() => Circle) round = new Circle()
}

/** As compilers do it in legacy mode. */
class Legacy extends StorageObject {
  centre = new Point()
  shapes: (Point | Circle)[] = []
  cache = new Map([['made', 'here']])
  kept = 1
}
field(() => Point)(Legacy.prototype, 'centre')
field(() => [Point, Circle])(Legacy.prototype, 'shapes')
transient(Legacy.prototype, 'cache')

class LegacyChild extends Legacy {
  scratch = 'fresh'
  round = new Circle()
}
transient(LegacyChild.prototype, 'scratch')
field(() => Circle)(LegacyChild.prototype, 'round')

/** Without decorators. */
class Twin extends StorageObject {
  static fields: Record<string, unknown> = { centre: () => Point, shapes: () => [Point, Circle] }
  static transient = ['cache']
  centre = new Point()
  shapes: (Point | Circle)[] = []
  cache = new Map([['made', 'here']])
  kept = 1
}

class TwinChild extends Twin {
  static override fields = { round: () => Circle }
  static override transient = ['scratch']
  scratch = 'fresh'
  round = new Circle()
}

describe('decorators', () => {
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:')
  })
  afterEach(() => store.close())

  /** As another program, which has no instance yet. */
  const inOther = <T>(body: () => Promise<T>): Promise<T> => new Store(store.backend).run(body)

  async function copyOf<T extends StorageObject>(o: T): Promise<T> {
    await store.run(() => o.makePersistent())
    return inOther(async () => (await getByID(o.getID()!)) as T)
  }

  for (const [mode, Parent, Child] of [
    ['TC39', Modern, ModernChild],
    ['legacy', Legacy, LegacyChild],
    ['none, but statics', Twin, TwinChild],
  ] as const) {
    it(`${mode}: nested values come back as instances, transient fields as the constructor makes them`, async () => {
      const o = new Parent()
      o.centre.x = -5
      o.shapes.push(new Circle(), new Point())
      o.cache.set('not', 'stored')
      const copy = await copyOf(o)
      expect(copy.centre).to.be.instanceOf(Point)
      expect(copy.centre.norm()).to.equal(5)
      expect(copy.shapes.map((s) => s.constructor)).to.deep.equal([Circle, Point])
      expect([...copy.cache]).to.deep.equal([['made', 'here']])
    })

    it(`${mode}: a subclass has what its parent says, and its parent not what it says`, async () => {
      const o = new Child()
      o.scratch = 'changed'
      o.round.r = 3
      const copy = await copyOf(o)
      expect([copy.scratch, copy.round.r]).to.deep.equal(['fresh', 3])
      expect(copy.round).to.be.instanceOf(Circle)
      expect(copy.centre).to.be.instanceOf(Point)
      expect(copy.cache.has('not')).to.equal(false)
      const parent = Object.assign(new Parent(), { scratch: 'of the parent' })
      expect((await copyOf(parent)).scratch).to.equal('of the parent')
    })
  }

  it('stand on fields of instances only', () => {
    expect(() => field(Point as never)).to.throw(TypeError)
    expect(() => transient(Legacy as never, 'fields')).to.throw(TypeError)
    expect(() => transient(Legacy.prototype, Symbol('s'))).to.throw(TypeError)
    const context = { kind: 'field', name: 'x', static: false, private: false, metadata: {} }
    for (const wrong of [{ static: true }, { private: true }, { kind: 'accessor' }, { metadata: undefined }])
      expect(() => transient(undefined, { ...context, ...wrong } as never)).to.throw(TypeError)
  })
})

describe('what class-transformer says of a class', () => {
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:')
    // Its decorators ask for design types, which a program has from reflect-metadata; nothing here rests on them.
    const reflect = Reflect as { getMetadata?: unknown }
    reflect.getMetadata ??= () => undefined
  })
  afterEach(() => store.close())

  /** As another program, which has no instance yet. */
  const inOther = <T>(body: () => Promise<T>): Promise<T> => new Store(store.backend).run(body)

  it('is honoured: @Type names classes, @Exclude leaves out, a class with @Exclude keeps what it exposes', async () => {
    class Inner {
      at = new Point()
      secret = 'none'
      forJson = 'kept'
    }
    Type(() => Point)(Inner.prototype, 'at')
    Exclude()(Inner.prototype, 'secret')
    Exclude({ toPlainOnly: true })(Inner.prototype, 'forJson')
    class Strict {
      kept = 0
      dropped = 0
    }
    Exclude()(Strict)
    Expose()(Strict.prototype, 'kept')
    class Animal {
      name = ''
    }
    class Dog extends Animal {}
    class Cat extends Animal {}
    class Outer extends StorageObject {
      inner = new Inner()
      strict: Strict[] = []
      pets: Animal[] = []
      when = new Date(5)
      password = ''
    }
    Type(() => Inner)(Outer.prototype, 'inner')
    Type(() => Strict)(Outer.prototype, 'strict')
    Type(() => Date)(Outer.prototype, 'when')
    Exclude()(Outer.prototype, 'password')
    const subTypes = [
      { value: Dog, name: 'dog' },
      { value: Cat, name: 'cat' },
    ]
    Type(() => Animal, { discriminator: { property: 'kind', subTypes } })(Outer.prototype, 'pets')
    const o = new Outer()
    Object.assign(o.inner, { secret: 'told', forJson: 'changed' })
    o.inner.at.x = 9
    o.strict.push(Object.assign(new Strict(), { kept: 1, dropped: 1 }))
    o.pets.push(new Dog(), new Cat(), new Animal())
    o.password = 'told'
    await store.run(() => o.makePersistent())
    const copy = await inOther(() => Outer.getByID(o.getID()!))
    expect(copy.inner).to.be.instanceOf(Inner)
    expect(copy.inner.at).to.be.instanceOf(Point)
    expect([copy.inner.at.x, copy.inner.secret, copy.inner.forJson, copy.password]).to.deep.equal([9, 'none', 'changed', ''])
    expect(copy.strict.map((s) => [s instanceof Strict, s.kept, s.dropped])).to.deep.equal([[true, 1, 0]])
    expect(copy.pets.map((p) => p.constructor)).to.deep.equal([Dog, Cat, Animal])
    expect(copy.when.getTime()).to.equal(5)
  })

  it('is where it is looked for', () => {
    const { cache } = createRequire(import.meta.url)
    expect(Object.keys(cache).some((file) => /class-transformer[\\/]cjs[\\/]storage\.js$/.test(file))).to.equal(true)
  })
})
