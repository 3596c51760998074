/** Rows of a dict, beside a hash of rows and a sorted set of their keys written by hand. */
import { StorageDict, t } from 'insitu'
import { type Bench, mustEqual, perSecond, type Sample } from '../harness.js'
import { BATCH, COUNT, type Field, inBatches, piped, upTo } from './field.js'

export class RedisRows extends StorageDict.of({ word: t.text }, { n: t.i64, note: t.text }) {}

const wordOf = (n: number): string => `word-${String(n).padStart(8, '0')}`
const noteOf = (n: number): string => `note ${n}`.padEnd(80, '.')
const rows = (count: number): (readonly [{ word: string }, { n: number; note: string }])[] =>
  upTo(count).map((n) => [{ word: wordOf(n) }, { n, note: noteOf(n) }] as const)

const filled = async (): Promise<RedisRows> => {
  const dict = await new RedisRows().makePersistent()
  await dict.bulk(rows(COUNT))
  return dict
}

const put =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await new RedisRows().makePersistent()
      const all = rows(COUNT)
      const figure = await perSecond(COUNT, async () => void (await dict.bulk(all)))
      mustEqual(await dict.count(), COUNT, 'rows')
      return figure
    })

const got =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await filled()
      return perSecond(COUNT, () =>
        inBatches(upTo(COUNT), async (batch) => {
          const found = await dict.getMany(batch.map((n) => ({ word: wordOf(n) })))
          found.forEach((row, i) => {
            mustEqual(row?.note, noteOf(batch[i]!), 'note')
          })
        }),
      )
    })

const scanned =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await filled()
      return perSecond(COUNT, async () => {
        let n = 0
        for await (const [key, row] of dict.entries()) {
          mustEqual(key.word, wordOf(n), 'word')
          mustEqual(row.note, noteOf(n++), 'note')
        }
        mustEqual(n, COUNT, 'rows')
      })
    })

const rawRow = (n: number): string => JSON.stringify([String(n), noteOf(n)])
const noteIn = (row: string): string => (JSON.parse(row) as [string, string])[1]

async function rawPut({ plain }: Field, key: string): Promise<void> {
  await inBatches(upTo(COUNT), (batch) =>
    piped(plain, batch, (pipeline, n) => pipeline.hset(`${key}:rows`, wordOf(n), rawRow(n)).zadd(`${key}:keys`, 0, wordOf(n))),
  )
}

const handPut =
  (field: Field): Sample =>
  () =>
    perSecond(COUNT, () => rawPut(field, field.keys(1)[0]!))

const handGot =
  (field: Field): Sample =>
  async () => {
    const key = field.keys(1)[0]!
    await rawPut(field, key)
    return perSecond(COUNT, () =>
      inBatches(upTo(COUNT), async (batch) => {
        const found = await piped(field.plain, batch, (pipeline, n) => pipeline.hget(`${key}:rows`, wordOf(n)))
        found.forEach((row, i) => {
          mustEqual(noteIn(row as string), noteOf(batch[i]!), 'note')
        })
      }),
    )
  }

const handScanned =
  (field: Field): Sample =>
  async () => {
    const key = field.keys(1)[0]!
    await rawPut(field, key)
    return perSecond(COUNT, async () => {
      let n = 0
      for (let from = '-'; n < COUNT; ) {
        const words = await field.plain.zrangebylex(`${key}:keys`, from, '+', 'LIMIT', 0, BATCH)
        const found = await piped(field.plain, words, (pipeline, word) => pipeline.hget(`${key}:rows`, word))
        for (const row of found) mustEqual(noteIn(row as string), noteOf(n++), 'note')
        from = `(${words.at(-1)}`
      }
    })
  }

export async function dictRows(bench: Bench, field: Field): Promise<void> {
  const each = { unit: 'rows/s', better: 'higher' } as const
  const contest = (what: string, ours: Sample, raw: Sample): Promise<void> =>
    bench.contest({ case: `rows ${what}`, ...each, ours, rivals: { 'pipeline by hand': raw } })
  await contest('put', put(field), handPut(field))
  await contest('got', got(field), handGot(field))
  await contest('scanned', scanned(field), handScanned(field))
}
