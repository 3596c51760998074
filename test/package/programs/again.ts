/** Another process, another build of the same classes. */
import { getLocations, loadAll, main } from 'insitu'
import { Result, Words } from './words.js'

main(import.meta, async () => {
  const data = await Words.getByAlias('experiment1')
  const texts = (await loadAll(data.blocks)).map(({ text }) => text satisfies string)
  const row = await (await Result.getByAlias('result1')).counts.get({ word: 'a' })
  const places = (await getLocations(data)).length
  console.log(JSON.stringify({ title: data.title, since: data.since.toISOString(), texts, a: Number(row?.n), places }))
})
