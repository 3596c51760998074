import { expect } from 'chai'
import { connect, StorageDict, StorageObject, t, update } from '../../runtime/index.js'
import { InsituError, SchemaMismatchError, UnknownClassError, ValidationError } from '../../src/errors.js'
import { Store } from '../../src/store.js'

/** Classes of one stored type, one version after the other. */
const versions = (name: string): { readonly typeName: string } => ({ typeName: `insitu/unit#${name}` })

describe('a class that changed since its objects were stored', () => {
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:')
  })
  afterEach(() => store.close())

  /** As another program, which has no instance yet. */
  const inOther = <T>(body: () => Promise<T>): Promise<T> => new Store(store.backend).run(body)

  /** Stores `old` and loads it in a fresh identity map as `New`. */
  async function reopened<T extends StorageObject>(old: StorageObject, New: (abstract new () => T) & typeof StorageObject): Promise<T> {
    await store.run(() => old.makePersistent())
    return inOther(async () => (await New.getByID(old.getID()!)) as T)
  }

  const clean = async (o: StorageObject): Promise<void> => void (await o.reload())

  it('a field gained keeps its default, dirties nothing, and is stored once it is something else', async () => {
    const { typeName } = versions('Gains')
    class Before extends StorageObject {
      static typeName = typeName
      a = 1
    }
    class After extends StorageObject {
      static typeName = typeName
      a = 0
      list: number[] = []
      made = Math.random()
      rows = new StorageDict({ k: t.text }, { v: t.i64 })
    }
    const o = await reopened(new Before(), After)
    expect([o.a, o.list]).to.deep.equal([1, []])
    await clean(o)
    o.list.push(5)
    let refused: unknown
    await o.reload().catch((error: unknown) => (refused = error))
    expect(refused).to.be.instanceOf(InsituError)
    await o.save()
    o.rows.set({ k: 'x' }, { v: 1 })
    await o.save()
    const again = await inOther(() => After.getByID(o.getID()!))
    expect(again.list).to.deep.equal([5])
    expect(await again.rows.get({ k: 'x' })).to.deep.equal({ v: 1n })
    again.list.pop()
    await again.save()
    expect((await inOther(() => After.getByID(o.getID()!))).list).to.deep.equal([])
  })

  it('a nested class that gained a field dirties nothing, and its values are stored whole once they change', async () => {
    const { typeName } = versions('Outer')
    class OldPoint {
      static typeName = 'Point'
      x = 1
    }
    class Point {
      static typeName = 'Point'
      x = 0
      made = Math.random()
      tags: string[] = []
    }
    class Before extends StorageObject {
      static typeName = typeName
      static fields = { at: () => OldPoint, all: () => OldPoint }
      at = new OldPoint()
      all = [new OldPoint(), new OldPoint()]
      other = 'x'
    }
    class After extends StorageObject {
      static typeName = typeName
      static fields = { at: () => Point, all: () => Point }
      at = new Point()
      all: Point[] = []
      other = ''
    }
    const o = await reopened(new Before(), After)
    expect([o.at.x, o.at.tags, o.all.length]).to.deep.equal([1, [], 2])
    await clean(o) // throws for an object with unsaved changes
    o.other = 'y'
    await o.save()
    await clean(o)
    o.all[1]!.tags.push('new')
    await o.save()
    const again = await inOther(async () => (await After.getByID(o.getID()!)) as After)
    expect([again.other, again.all[1]!.tags, again.all[1]!.made]).to.deep.equal(['y', ['new'], o.all[1]!.made])
    expect(again.at.made).not.to.equal(o.at.made, 'what was never changed is not stored with its new field')
  })

  it('so does one with `restore` and `store`', async () => {
    const { typeName } = versions('Restores')
    class OldRange {
      static typeName = 'Range'
      static restore = (f: Record<string, unknown>): OldRange => Object.assign(new OldRange(), f)
      from = 1
    }
    class Range {
      static typeName = 'Range'
      static restore = (f: Record<string, unknown>): Range => Object.assign(new Range(), { to: 9, ...f })
      from = 0
      to = 0
    }
    class Before extends StorageObject {
      static typeName = typeName
      static fields = { range: () => OldRange }
      range = new OldRange()
    }
    class After extends StorageObject {
      static typeName = typeName
      static fields = { range: () => Range }
      range = new Range()
    }
    const o = await reopened(new Before(), After)
    expect(o.range).to.deep.include({ from: 1, to: 9 })
    await clean(o)
  })

  it('a field that the class no longer makes comes back; one made transient stays in the store, unseen', async () => {
    const { typeName } = versions('Loses')
    class Before extends StorageObject {
      static typeName = typeName
      a = 1
      gone = 'still here'
      cache = 'stored'
    }
    class After extends StorageObject {
      static typeName = typeName
      static transient = ['cache']
      a = 0
      cache = 'fresh'
    }
    const o = await reopened(new Before(), After)
    expect(Reflect.get(o, 'gone')).to.equal('still here')
    expect(o.cache).to.equal('fresh')
    await clean(o)
    o.a = 2
    await o.save()
    class Again extends StorageObject {
      static typeName = typeName
      a = 0
      cache = ''
    }
    const back = await inOther(() => Again.getByID(o.getID()!))
    expect([back.a, back.cache]).to.deep.equal([2, 'stored'])
  })

  it('a field that became a getter is not in the way', async () => {
    const { typeName } = versions('Computes')
    class Before extends StorageObject {
      static typeName = typeName
      first = 'Ada'
      whole = 'stale'
    }
    class After extends StorageObject {
      static typeName = typeName
      first = ''
      get whole(): string {
        return `${this.first}!`
      }
    }
    const o = await reopened(new Before(), After)
    expect(o.whole).to.equal('Ada!')
    await clean(o)
  })

  it('a renamed field keeps its old name in the store, so that programs with either class go on', async () => {
    const { typeName } = versions('Renames')
    class Before extends StorageObject {
      static typeName = typeName
      size = 1
      list = [1]
    }
    class After extends StorageObject {
      static typeName = typeName
      static renamed = { bytes: 'size', items: 'list' }
      bytes = 0
      items: number[] = []
    }
    const o = await reopened(Object.assign(new Before(), { size: 7 }), After)
    expect([o.bytes, o.items, Object.keys(o)]).to.deep.equal([7, [1], ['bytes', 'items']])
    await clean(o)
    o.bytes = 8
    o.items.push(2)
    await o.save()
    const old = await inOther(() => Before.getByID(o.getID()!))
    expect([old.size, old.list]).to.deep.equal([8, [1, 2]])
    const fresh = await store.run(() => new After().makePersistent())
    const seen = await inOther(() => After.getByID(fresh.getID()!))
    expect(Object.keys(seen)).to.deep.equal(['bytes', 'items'])
    await clean(seen)
  })

  it("a change of a renamed field is not lost when a stale save is moved onto a newer state (`static merge = 'fields'`)", async () => {
    const { typeName } = versions('RenamesAndMerges')
    class Before extends StorageObject {
      static typeName = typeName
      size = 1
      other = 1
    }
    class After extends StorageObject {
      static typeName = typeName
      static merge = 'fields'
      static renamed = { bytes: 'size' }
      bytes = 0
      other = 0
    }
    const o = await store.run(() => new Before().makePersistent())
    const [a, b] = await Promise.all([1, 2].map(() => inOther(() => After.getByID(o.getID()!))))
    await update(b!, (it) => void (it.other = 9))
    a!.bytes = 5
    await a!.save()
    expect([a!.bytes, a!.other]).to.deep.equal([5, 9])
    expect(Object.keys(a!)).to.deep.equal(['bytes', 'other'])
  })

  it('a field that the class gained is not lost either, nor left over by a reload', async () => {
    const { typeName } = versions('GainsAndMerges')
    class Before extends StorageObject {
      static typeName = typeName
      other = 1
    }
    class After extends StorageObject {
      static typeName = typeName
      static merge = 'fields'
      other = 0
      gained: number[] = []
    }
    const o = await store.run(() => new Before().makePersistent())
    const [a, b] = await Promise.all([1, 2].map(() => inOther(() => After.getByID(o.getID()!))))
    a!.gained.push(7)
    await a!.reload({ discard: true })
    expect(a!.gained).to.deep.equal([])
    await update(b!, (it) => void (it.other = 9))
    a!.gained.push(5)
    await a!.save()
    const seen = await inOther(() => After.getByID(o.getID()!))
    expect([seen.gained, seen.other, a!.gained]).to.deep.equal([[5], 9, [5]])
  })

  it('a declared type that changed is a schema mismatch at load, and another value is refused at save', async () => {
    const { typeName } = versions('Retypes')
    class Before extends StorageObject {
      static typeName = typeName
      n: unknown = 'text'
    }
    class After extends StorageObject {
      static typeName = typeName
      static fields = { n: () => Number }
      n: unknown = 0
    }
    class Either extends StorageObject {
      static typeName = typeName
      static fields = { n: () => [Number, String] }
      n: unknown = 0
    }
    const o = await store.run(() => new Before().makePersistent())
    const id = o.getID()!
    const error = await inOther(() => After.getByID(id)).catch((e: unknown) => e)
    expect(error).to.be.instanceOf(SchemaMismatchError)
    expect((error as Error).message).to.contain('After.n')
    expect((await inOther(() => Either.getByID(id))).n).to.equal('text')
    const wrong = Object.assign(new After(), { n: 'x' })
    expect(await store.run(() => wrong.makePersistent()).catch((e: unknown) => e)).to.be.instanceOf(ValidationError)
    for (const n of [1, null, [1, 2], Number.NaN]) await store.run(() => Object.assign(new After(), { n }).makePersistent())
  })

  it('a nested class that is no longer named is a typed error', async () => {
    const { typeName } = versions('Unnests')
    class Inner {
      x = 1
    }
    class Before extends StorageObject {
      static typeName = typeName
      static fields = { inner: () => Inner }
      inner = new Inner()
    }
    class After extends StorageObject {
      static typeName = typeName
      inner: unknown = null
    }
    const o = await store.run(() => new Before().makePersistent())
    const error = await inOther(() => After.getByID(o.getID()!)).catch((e: unknown) => e)
    expect(error).to.be.instanceOf(UnknownClassError)
  })
})
