/** Objects, beside rows of the driver's that hold as much: an id, a revision, a commit and a text. */
import { types } from 'cassandra-driver'
import { getByID, type Id, StorageObject } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { against, atOnce, type Field, IN_FLIGHT, timed, upTo } from './field.js'

const SAVES = 2_000
const MANY = 100_000
const OBJECTS = { unit: 'objects/s' } as const

export class CassandraItem extends StorageObject {
  text = ''
}

const itemsOf = (count: number): CassandraItem[] => upTo(count).map((n) => Object.assign(new CassandraItem(), { text: `${n}` }))
const idsOf = (items: readonly CassandraItem[]): Id[] => items.map((item) => item.getID()!)
const store = async (items: readonly CassandraItem[]): Promise<void> => void (await Promise.all(items.map((item) => item.makePersistent())))

/** Ids of samples, to be read by another program when all is over. */
class Written {
  readonly #samples: { readonly ids: readonly Id[]; readonly end: string }[] = []

  add(items: readonly CassandraItem[], end = ''): void {
    this.#samples.push({ ids: idsOf(items), end })
  }

  assertStored(field: Field): Promise<void> {
    return field.program(async () => {
      for (const { ids, end } of this.#samples) assertTexts(await loaded(ids), end)
    })
  }
}

const loaded = async (ids: readonly Id[]): Promise<CassandraItem[]> =>
  (await getByID(...(ids as [Id, ...Id[]]))) as unknown[] as CassandraItem[]

function assertTexts(items: readonly CassandraItem[], end = ''): void {
  items.forEach((item, n) => {
    mustEqual(item.text, `${n}${end}`, 'text')
  })
}

const make =
  (written: Written, count: number): Sample =>
  async () => {
    const items = itemsOf(count)
    const figure = await timed(count, () => store(items))
    written.add(items)
    return figure
  }

const save =
  (written: Written, count: number): Sample =>
  async () => {
    const items = itemsOf(count)
    await store(items)
    for (const item of items) item.text += '!'
    const figure = await timed(count, async () => void (await Promise.all(items.map((item) => item.save()))))
    written.add(items, '!')
    return figure
  }

/** Each sample fetches what this program has never had in memory. */
const load =
  (sets: Id[][]): Sample =>
  async () => {
    const ids = sets.pop()!
    return timed(ids.length, async () => assertTexts(await loaded(ids)))
  }

/** Objects for so many samples, stored by a program that has ended. */
const storedSets = (field: Field, sets: number): Promise<Id[][]> =>
  field.program(async () => {
    const ids: Id[][] = []
    for (let set = 0; set < sets; set++) {
      const items = itemsOf(field.count)
      await store(items)
      ids.push(idsOf(items))
    }
    return ids
  })

const PUT = 'INSERT INTO object (id, revision, commit_id, text) VALUES (?, 1, ?, ?)'
const GET = 'SELECT * FROM object WHERE id = ?'
const UPDATE = 'UPDATE object SET revision = 2, commit_id = ?, text = ? WHERE id = ? IF revision = 1 AND commit_id = ?'

const putAll = (field: Field, ids: readonly types.Uuid[]): Promise<void> =>
  atOnce(ids, IN_FLIGHT, (id, n) => field.execute(PUT, [id, id, `${n}`]))

const getAll = (field: Field, ids: readonly types.Uuid[], end = ''): Promise<void> =>
  atOnce(ids, IN_FLIGHT, async (id, n) => {
    const { rows } = await field.execute(GET, [id])
    mustEqual(rows[0]?.text, `${n}${end}`, 'text')
  })

const rawMake =
  (field: Field, count: number): Sample =>
  async () => {
    const ids = upTo(count).map(() => types.Uuid.random())
    const figure = await timed(count, () => putAll(field, ids))
    await getAll(field, ids)
    return figure
  }

const rawLoad =
  (field: Field): Sample =>
  async () => {
    const ids = upTo(field.count).map(() => types.Uuid.random())
    await putAll(field, ids)
    return timed(ids.length, () => getAll(field, ids))
  }

const rawSave =
  (field: Field, count: number): Sample =>
  async () => {
    const ids = upTo(count).map(() => types.Uuid.random())
    await putAll(field, ids)
    const figure = await timed(count, () =>
      atOnce(ids, IN_FLIGHT, async (id, n) => {
        const result = await field.raw.execute(UPDATE, [id, `${n}!`, id, id], { prepare: true })
        mustEqual(result.wasApplied(), true, 'update')
      }),
    )
    await getAll(field, ids, '!')
    return figure
  }

async function making(bench: Bench, field: Field, title: string, count: number): Promise<void> {
  const written = new Written()
  await against(bench, field, { case: title, ...OBJECTS, ours: make(written, count) }, rawMake(field, count))
  await written.assertStored(field)
}

export async function objects(bench: Bench, field: Field): Promise<void> {
  await making(bench, field, 'objects made', field.count)
  const sets = await storedSets(field, bench.options.samples + 1)
  await against(bench, field, { case: 'objects loaded', ...OBJECTS, ours: load(sets) }, rawLoad(field))
  const written = new Written()
  const count = Math.min(SAVES, field.count)
  await against(bench, field, { case: 'objects saved', ...OBJECTS, ours: save(written, count) }, rawSave(field, count))
  await written.assertStored(field)
}

export const manyObjects = (bench: Bench, field: Field): Promise<void> =>
  making(bench, field, `${bench.options.count ?? MANY} objects made in one go`, bench.options.count ?? MANY)
