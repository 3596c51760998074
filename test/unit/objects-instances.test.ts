import { expect } from 'chai'
import { connect, getByID, StorageObject, transact, update, watch } from '../../runtime/index.js'
import { UnsavedChangesError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('instances of user classes', () => {
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:')
  })
  afterEach(() => store.close())

  /** As another program, which has no instance yet. */
  const inOther = <T>(body: () => Promise<T>): Promise<T> => new Store(store.backend).run(body)

  const stored = <T extends StorageObject>(o: T): Promise<T> => store.run(() => o.makePersistent())
  const copyOf = <T extends StorageObject>(o: T): Promise<T> => inOther(async () => (await getByID(o.getID()!)) as T)

  it('a field may be called `constructor`', async () => {
    class Odd extends StorageObject {
      n = 1
    }
    const o = Object.assign(new Odd(), { constructor: 5 })
    const copy = await copyOf(await stored(o))
    expect(copy).to.be.instanceOf(Odd)
    expect(copy.constructor).to.equal(5)
    copy.n = 2
    await copy.save()
  })

  it('a field that the constructor makes read-only comes back when it is the same, computed ones are computed again', async () => {
    class Fixed extends StorageObject {
      declare readonly kind: string
      declare readonly double: number
      n = 1
      constructor() {
        super()
        Object.defineProperty(this, 'kind', { value: 'fixed', enumerable: true })
        Object.defineProperty(this, 'double', { get: () => this.n * 2, enumerable: true })
      }
    }
    const o = new Fixed()
    o.n = 4
    const copy = await copyOf(await stored(o))
    expect([copy.kind, copy.double]).to.deep.equal(['fixed', 8])
    copy.n = 5
    await copy.save()
    await o.reload()
    expect(o.double).to.equal(10)
  })

  it('a read-only field that would lose what is stored is a typed error, also on a second try', async () => {
    let kind = 'old'
    class Stamped extends StorageObject {
      constructor() {
        super()
        Object.defineProperty(this, 'kind', { value: kind, enumerable: true })
      }
    }
    const o = await stored(new Stamped())
    kind = 'new'
    for (let i = 0; i < 2; i++) expect(await failure(copyOf(o))).to.have.property('code', 'ERR_CLASS_CANNOT_BE_REBUILT')
  })

  it('`restore` that gives a promise, or an instance of another class, is a typed error', async () => {
    class Late extends StorageObject {
      static async restore(): Promise<Late> {
        return new Late()
      }
      n = 1
    }
    class Parent extends StorageObject {
      static restore(): Parent {
        return new Parent()
      }
      n = 1
    }
    class Child extends Parent {}
    for (const o of [new Late(), new Child()]) {
      await stored(o)
      const error = await failure(copyOf(o))
      expect(error).to.be.instanceOf(ValidationError)
      expect(error).to.have.property('code', 'ERR_CLASS_CANNOT_BE_REBUILT')
    }
  })

  it('#private state takes a newer state in by `restore(fields)` of the instance, and says so where there is none', async () => {
    class Sealed extends StorageObject {
      static restore({ n }: { n: number }): Sealed {
        return new Sealed(n)
      }
      #n: number
      constructor(n: number) {
        super()
        this.#n = n
      }
      get n(): number {
        return this.#n
      }
      set n(n: number) {
        this.#n = n
      }
      store(): { n: number } {
        return { n: this.#n }
      }
    }
    class Open extends Sealed {
      static override restore({ n }: { n: number }): Open {
        return new Open(n)
      }
      restore({ n }: { n: number }): void {
        this.n = n
      }
    }
    const change = async (o: Sealed): Promise<void> => {
      const copy = await copyOf(o)
      copy.n = 7
      await copy.save()
    }
    const open = await stored(new Open(1))
    await open.reload()
    await change(open)
    await open.reload()
    expect(open.n).to.equal(7)
    const sealed = await stored(new Sealed(1))
    await sealed.reload()
    const error = await failure(change(sealed).then(() => sealed.reload()))
    expect(error).to.be.instanceOf(UnsupportedError)
    expect(error).to.have.property('code', 'ERR_CANNOT_RELOAD')
    expect(sealed.n).to.equal(1)
  })

  it('two classes of one module cannot have one name; a class that is evaluated again can', async () => {
    const twin = (() => {
      class Twin extends StorageObject {
        a = 1
      }
      return Twin
    })()
    const other = (() => {
      class Twin extends StorageObject {
        b = 2
      }
      return Twin
    })()
    await stored(new twin())
    const error = await failure(stored(new other()))
    expect(error).to.be.instanceOf(ValidationError)
    expect(error).to.have.property('code', 'ERR_CLASS_NAME_TAKEN')
    const make = (): (new () => StorageObject) =>
      class Made extends StorageObject {
        n = 1
      }
    const [One, Two] = [make(), make()]
    const one = await stored(new One())
    await stored(new Two())
    expect((await copyOf(one)).getID()).to.equal(one.getID())
  })

  describe('a change that the program makes while the object is read', () => {
    class Note extends StorageObject {
      text = 'first'
      place = 'here'
    }
    let whenRead: (revision: number | undefined) => unknown
    beforeEach(() => {
      const { backend } = store
      const read = backend.read.bind(backend)
      whenRead = () => {}
      Object.assign(backend, {
        read: async (refs: Parameters<typeof read>[0]) => {
          const found = await read(refs)
          await whenRead(found[0]?.stamp.revision)
          return found
        },
      })
    })
    it('is not lost to reload(), which says that it is there', async () => {
      const note = await stored(new Note())
      whenRead = () => {
        note.place = 'there'
      }
      expect(await failure(note.reload())).to.be.instanceOf(UnsavedChangesError)
      expect(note.place).to.equal('there')
      await note.reload({ discard: true })
      expect(note.place).to.equal('here')
    })

    it('is not lost to update(), in the program and in a transaction', async () => {
      const note = await stored(new Note())
      whenRead = () => {
        note.place = 'there'
      }
      const run = (): Promise<unknown> => store.run(() => update(note, () => void (note.text = 'second')))
      expect(await failure(run())).to.be.instanceOf(UnsavedChangesError)
      expect([note.text, note.place]).to.deep.equal(['first', 'there'])
      note.place = 'here'
      expect(await failure(store.run(() => transact(run)))).to.be.instanceOf(UnsavedChangesError)
    })

    it('is not lost to another load of the same handle', async () => {
      class Holder extends StorageObject {
        note: Note | undefined = undefined
      }
      const holder = await stored(Object.assign(new Holder(), { note: new Note() }))
      const other = await connect(new SharedBackend(store.backend))
      await other.run(async () => {
        const note = ((await getByID(holder.getID()!)) as Holder).note!
        let goOn = (): void => {}
        let reads = 0
        whenRead = () => ++reads === 2 && new Promise<void>((resolve) => (goOn = resolve))
        const [first, second] = [note.load(), note.load()]
        await first
        note.place = 'there'
        goOn()
        await second
        expect(note.place).to.equal('there')
      })
      await other.close()
    })

    it('is not lost to watch(), which gives the object as it is', async () => {
      const note = await stored(new Note())
      const other = await connect(new SharedBackend(store.backend))
      const changes = store.run(() => watch(note, { timeoutMs: 2000 }))
      const next = changes.next()
      let times = 0
      whenRead = (revision) => {
        if (revision === 2 && ++times === 2) note.place = 'there' // seen by the watcher, then loaded
      }
      await other.run(async () => {
        const its = (await getByID(note.getID()!)) as Note
        its.text = 'second'
        await its.save()
      })
      expect((await next).value).to.equal(note)
      expect(note.place).to.equal('there')
      await changes.return()
      await other.close()
    })
  })
})
