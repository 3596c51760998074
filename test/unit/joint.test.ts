/** Saves that are asked for in one turn leave together, and each still has an end of its own. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { getByID, StorageObject } from '../../runtime/index.js'
import type { Group, Receipt } from '../../src/backend.js'
import { ConflictError, UnavailableError, UnknownOutcomeError, ValidationError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'

class Note extends StorageObject {
  text = ''
  next: Note | null = null
}

class CountingBackend extends FaultyBackend {
  readonly groups: Group[] = []

  override commit(group: Group): Promise<Receipt> {
    this.groups.push(group)
    return super.commit(group)
  }
}

const noteOf = (text: string): Note => Object.assign(new Note(), { text })

for (const url of ['memory:?private', 'memory:?private&domains=3'])
  describe(`saves of one turn on ${url}`, () => {
    const domains = url.includes('domains') ? 3 : 1
    let backend: CountingBackend
    let store: Store

    beforeEach(async () => {
      backend = new CountingBackend(createBackend(url))
      await backend.open()
      store = new Store(backend, { patienceMs: 20 })
    })
    afterEach(() => store.close())

    const within = (body: () => Promise<void>) => (): Promise<void> => store.run(body)

    /** As another program sees them. */
    const stored = (notes: readonly Note[]): Promise<string[]> =>
      new Store(backend).run(async () => ([await getByID(...notes.map((note) => note.getID()!))].flat() as Note[]).map(({ text }) => text))

    async function made(count: number): Promise<Note[]> {
      const notes = Array.from({ length: count }, (_, i) => noteOf(`note ${i}`))
      await Promise.all(notes.map((note) => note.makePersistent()))
      return notes
    }

    const ends = async (works: readonly Promise<unknown>[]): Promise<string[]> =>
      (await Promise.allSettled(works)).map((end) => (end.status === 'fulfilled' ? 'stored' : (end.reason as Error).constructor.name))

    it(
      'are one group a domain',
      within(async () => {
        const notes = await made(30)
        expect(backend.groups.length).to.equal(domains)
        expect(new Set(notes.map((note) => note.getID())).size).to.equal(30)
        for (const note of notes) note.text += '!'
        await Promise.all(notes.map((note) => note.save()))
        expect(backend.groups.length).to.equal(2 * domains)
        expect(await stored(notes)).to.deep.equal(notes.map((_, i) => `note ${i}!`))
      }),
    )

    it(
      'that store an object which both newly reach store it once',
      within(async () => {
        const shared = noteOf('shared')
        const [a, b] = [noteOf('a'), noteOf('b')]
        a.next = b.next = shared
        await Promise.all([a.makePersistent(), b.makePersistent(), shared.makePersistent()])
        const puts = backend.groups.flatMap(({ ops }) => ops).filter((op) => op.do === 'put' && op.expect === 'absent')
        expect(puts.length).to.equal(3)
        expect(await stored([a, b, shared])).to.deep.equal(['a', 'b', 'shared'])
      }),
    )

    it(
      'fail alone: what one conflicts with is no matter to the others',
      within(async () => {
        const notes = await made(9)
        await new Store(backend).run(async () => {
          const other = (await getByID(notes[4]!.getID()!)) as Note
          other.text = 'changed elsewhere'
          await other.save()
        })
        for (const note of notes) note.text += '!'
        const done = await ends(notes.map((note) => note.save()))
        expect(done).to.deep.equal(notes.map((_, i) => (i === 4 ? ConflictError.name : 'stored')))
        expect(await stored(notes)).to.deep.equal(notes.map((_, i) => (i === 4 ? 'changed elsewhere' : `note ${i}!`)))
        await notes[4]!.reload({ discard: true })
        notes[4]!.text = 'again'
        await notes[4]!.save()
        expect(await stored([notes[4]!])).to.deep.equal(['again'])
      }),
    )

    it(
      'fail alone: a field that cannot be stored',
      within(async () => {
        const notes = [noteOf('a'), noteOf('b'), noteOf('c')]
        Object.assign(notes[1]!, { text: () => 1 })
        expect(await ends(notes.map((note) => note.makePersistent()))).to.deep.equal(['stored', ValidationError.name, 'stored'])
      }),
    )

    it(
      'of one object follow one another',
      within(async () => {
        const [note] = (await made(1)) as [Note]
        note.text = 'first'
        const first = note.save()
        note.text = 'second'
        await Promise.all([first, note.save(), note.save()])
        expect(await stored([note])).to.deep.equal(['second'])
      }),
    )

    it(
      'whose outcome nobody knows are settled by the next save, once',
      within(async () => {
        const notes = await made(6)
        for (const note of notes) note.text += '!'
        backend.failCommits({ times: 1000, after: true, error: () => new UnknownOutcomeError('cut', { retryable: true }) })
        const done = await ends(notes.map((note) => note.save()))
        expect(done).to.not.include('stored')
        backend.failCommits({ times: 0, after: true, error: () => new Error() })
        for (const note of notes) note.text += '?'
        await Promise.all(notes.map((note) => note.save()))
        expect(await stored(notes)).to.deep.equal(notes.map((_, i) => `note ${i}!?`))
      }),
    ).timeout(60_000)

    it(
      'to a store that is away all fail, and can be sent again',
      within(async () => {
        const notes = [noteOf('a'), noteOf('b'), noteOf('c')]
        backend.failCommits({ times: 1000, after: false, error: () => new UnavailableError('away') })
        expect(await ends(notes.map((note) => note.makePersistent()))).to.deep.equal(Array(3).fill(UnavailableError.name))
        expect(notes.map((note) => note.getID())).to.deep.equal([null, null, null])
        backend.failCommits({ times: 0, after: false, error: () => new Error() })
        await Promise.all(notes.map((note) => note.makePersistent()))
        expect(await stored(notes)).to.deep.equal(['a', 'b', 'c'])
      }),
    )
  })
