/** The histogram of examples/histogram on a store of two hosts, once for each line on stdin. Arguments: the store's url, and the megabytes. */
import { createInterface } from 'node:readline'
import { connect, type Future, finish, hosts, NotFoundError, stats } from 'insitu'
import { Dataset, fill, Site, sumOf, type Values } from '../../examples/histogram/values.js'
import { binsOf } from '../bodies/bins-task.js'

const [url, megabytes] = [process.argv[2]!, Number(process.argv[3])]
const PARTS_PER_HOST = 4
const BYTES_PER_NUMBER = 8

async function partsOf(alias: string, mb: number): Promise<readonly Values[]> {
  const { sites } = await Dataset.getByAlias(alias).catch((error: unknown) => {
    if (error instanceof NotFoundError) return spread(alias, mb)
    throw error
  })
  await Promise.all(sites.map((site) => site.load()))
  return sites.flatMap((site) => site.parts)
}

async function spread(alias: string, mb: number): Promise<Dataset> {
  const names = await hosts()
  const length = Math.ceil((mb * 1e6) / BYTES_PER_NUMBER / names.length / PARTS_PER_HOST)
  const dataset = new Dataset()
  dataset.sites = await Promise.all(names.map((host) => new Site().makePersistent(undefined, { host })))
  await Promise.all(dataset.sites.map((site, i) => fill(site, names[i]!, PARTS_PER_HOST, length, i * PARTS_PER_HOST)))
  for (const site of dataset.sites) await site.reload()
  return dataset.makePersistent(alias)
}

async function histogram(parts: readonly Values[]): Promise<Uint32Array> {
  const sum = (counts: readonly Future<Uint32Array<ArrayBuffer>>[]): Future<Uint32Array<ArrayBuffer>> => {
    const half = counts.length >> 1
    return half === 0 ? counts[0]! : sumOf(sum(counts.slice(0, half)), sum(counts.slice(half)))
  }
  return sum(parts.map((part) => binsOf(part)))
}

await connect(url)
const small = await partsOf('small', 1)
const parts = await partsOf('large', megabytes)
for (let i = 0; i < 3; i++) await histogram(small)

for await (const _ of createInterface({ input: process.stdin })) {
  const moved = stats().bytesMoved
  const start = performance.now()
  const counts = await histogram(parts)
  const ms = performance.now() - start
  const print = counts.reduce((sum, count, bin) => (sum * 31 + count * (bin + 1)) % 1_000_003, 7)
  const values = counts.reduce((sum, count) => sum + count, 0)
  process.stdout.write(`${JSON.stringify({ ms, values, print, bytesMoved: stats().bytesMoved - moved })}\n`)
}
await finish()
