import { inspect } from 'node:util'
import { expect } from 'chai'
import { connect, type InsituError, StorageDict, StorageObject, type Store, TaskContext, t, task, update } from '../../runtime/index.js'

class Plain {
  x = 1
}
class Sheet extends StorageObject {
  title = ''
  anything: unknown = undefined
  rows = new StorageDict({ day: t.text, at: t.i32 }, { n: t.i32 })
  guarded = new StorageDict({ day: t.text }, { n: t.i32 }, { writes: 'cas' })
}
class Other extends StorageObject {}
class NeedsText extends StorageObject {
  constructor(text: string) {
    super()
    if (text.length > 1000) throw new Error('too long')
  }
}
const echo = task((value: unknown) => value)

/** People act on the message alone: it names the thing and what to do. The codes are checked elsewhere, where each is promised. */
describe('messages of refusals', () => {
  let store: Store
  let others: Store
  beforeEach(async () => {
    store = await connect('memory:refusal-messages')
    others = await connect(store.url)
  })
  afterEach(() => store.close())

  const sheet = async (alias?: string): Promise<Sheet> => Object.assign(new Sheet(), { title: 'mine' }).makePersistent(alias)

  async function told(body: () => unknown): Promise<string> {
    try {
      await store.run(async () => await body())
    } catch (error) {
      return (error as InsituError).message
    }
    throw new Error('nothing was refused')
  }

  it('an object of another copy of this package is called that, and not one of a class that is not known', async () => {
    class Foreign {
      get [Symbol.for('insitu.StorageObject')](): true {
        return true
      }
    }
    const mine = await store.run(() => sheet())
    mine.anything = new Foreign()
    const says = "a StorageObject of another copy of insitu than this program's: let both use one (`npm ls insitu` says who brings which"
    expect(await told(() => mine.save())).to.include(`anything is ${says}`)
    expect(await told(() => update(new Foreign() as never, () => {}))).to.include(`update() wants a StorageObject, got ${says}`)
  })

  it('of values that cannot be stored: field and path, and the field to make transient', async () => {
    for (const [value, path] of [
      [{ deep: [() => 1] }, 'anything.deep[0]'],
      [Symbol('x'), 'anything'],
      [new Map([['a', Symbol('x')]]), 'anything.get("a")'],
    ] as const)
      expect(await told(() => Object.assign(new Sheet(), { anything: value }).makePersistent()))
        .to.contain(`${path} is a `)
        .and.contain('static transient = ["anything"]')
    const ofClass = await told(() => Object.assign(new Sheet(), { anything: new Plain() }).makePersistent())
    expect(ofClass).to.contain('anything is a Plain').and.contain('static fields = { anything: () => Plain }')
  })

  it('of arguments: which one, of which task, and nothing about fields that there are none of', async () => {
    for (const [value, what, fix] of [
      [{ a: [() => 1] }, 'PLACE.a[0] is a function', 'let the task import it'],
      [{ [Symbol('q')]: 1 }, 'PLACE[Symbol(q)] has a symbol as its key', 'use text'],
      [new Plain(), 'PLACE is a Plain', 'make Plain a StorageObject'],
      [new WeakMap(), 'PLACE is a WeakMap', 'pass what it is made from'],
    ] as const) {
      const message = await told(() => echo(value))
      // Workers have not told under which name it is exported.
      expect(message.replace(/^argument 1 of refusal-messages\.test\.[jt]s:\d+/, 'PLACE'))
        .to.contain(what)
        .and.contain(fix)
      expect(message).to.not.match(/static (?:transient|fields)/)
    }
  })

  it('of what is not stored yet: that storing it is to be awaited', async () => {
    expect(await told(() => new Sheet().save())).to.match(/^Sheet is volatile: await makePersistent\(\)/)
  })

  it('of a dict, when it is printed: which columns a row can go without', () => {
    expect(inspect(new StorageDict({ day: t.text }, { n: t.i32, note: t.text.optional() }))).to.contain('n: i32, note: text?')
  })

  it('of a class that cannot be rebuilt: its name, and both ways out', async () => {
    expect(await told(() => new NeedsText('').makePersistent())).to.match(/NeedsText .*defaults.*static restore/)
  })

  it('of a stale save, on what is changed and what is gone: class, id, both revisions, and what tries again', async () => {
    const mine = await store.run(() => sheet())
    const id = mine.getID()!
    await others.run(async () => Object.assign(await Sheet.getByID(id), { title: 'theirs' }).save())
    mine.title = 'stale'
    const changed = await told(() => mine.save())
    expect(changed).to.contain(id).and.contain('#Sheet').and.contain('revision 1').and.contain('revision 2')
    expect(changed).to.contain('update(').and.contain('reload(')
    await others.run(async () => (await Sheet.getByID(id)).deletePersistent())
    expect(await told(() => mine.save()))
      .to.contain(id)
      .and.contain('deleted')
  })

  it('of a row that changed since it was read: what tries again', async () => {
    const mine = await store.run(() => sheet())
    await store.run(async () => {
      mine.guarded.set({ day: 'a' }, { n: 1 })
      await mine.save()
      await mine.guarded.get({ day: 'a' })
    })
    await others.run(async () => {
      const theirs = await Sheet.getByID(mine.getID()!)
      await theirs.guarded.get({ day: 'a' })
      theirs.guarded.set({ day: 'a' }, { n: 2 })
      await theirs.save()
    })
    mine.guarded.set({ day: 'a' }, { n: 3 })
    expect(await told(() => mine.save())).to.match(/row .*changed.*transact\(/)
    await store.run(() => mine.reload({ discard: true })) // what is unsaved would be saved at the close
  })

  it('of names: whose they are, and what else can be done', async () => {
    const first = await store.run(() => sheet('taken'))
    expect(await told(() => sheet('taken')))
      .to.contain('taken')
      .and.contain(first.getID()!)
      .and.contain('ifExists')
    expect(await told(() => Other.getByAlias('taken'))).to.match(/taken .*#Sheet, not an? Other/)
    expect(await told(() => sheet(''))).to.match(/alias is a text .* not an empty one/)
    expect(await told(() => sheet('x'.repeat(2000)))).to.match(/longer than 1024 bytes.*shorten/)
    expect(await told(() => Sheet.getByAlias('nowhere')))
      .to.contain('nowhere')
      .and.contain(store.url)
  })

  it('of unsaved changes: which object, and the way out', async () => {
    const mine = await store.run(() => sheet())
    mine.title = 'changed'
    expect(await told(() => echo(mine)))
      .to.contain(`Sheet ${mine.getID()} has unsaved changes`)
      .and.contain('save() it first')
    for (const [verb, act] of [
      ['update()', () => update(mine, () => {})],
      ['TaskContext.run()', () => new TaskContext([mine]).run(() => {})],
    ] as const)
      expect(await told(() => store.run((): Promise<unknown> => act())))
        .to.contain(`${verb} of ${mine.getID()}`)
        .and.contain('save()')
    expect(mine.title).to.equal('changed')
    await store.run(() => mine.reload({ discard: true })) // what is unsaved is nobody's concern at the close
  })

  it('of keys and values of a dict: the column, its type, and what came', async () => {
    const { rows } = await store.run(() => sheet())
    const loose = rows as unknown as { set(key: object, value: object): void }
    for (const [key, value, column, type, came] of [
      [{ day: 3, at: 1 }, { n: 1 }, 'day', 'text', '3'],
      [{ day: 'a', at: 2 ** 31 }, { n: 1 }, 'at', 'i32', '2147483648'],
      [{ day: 'a', at: 1 }, { n: 3.7 }, 'n', 'i32', '3.7'],
      [{ day: 'a', at: 1 }, { n: '5' }, 'n', 'i32', '5'],
      [{ day: 'a', at: null }, { n: 1 }, 'at', 'i32', 'null'],
    ] as const)
      expect(await told(() => loose.set(key, value)))
        .to.contain(column)
        .and.contain(type)
        .and.contain(came)
    expect(await told(() => rows.set({ day: 'x'.repeat(2000), at: 1 }, { n: 1 }))).to.match(/key .*1024 bytes/)
  })
})
