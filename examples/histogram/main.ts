import { type Future, hosts, main, NotFoundError } from 'insitu'
import { BINS, Dataset, fill, histogramOf, Site, sumOf, type Values } from './values.js'

/** However many hosts there are: the values are the same. */
const PARTS = 12
const BYTES_PER_NUMBER = 8

/**
 * The histogram of values that are spread over the hosts: main.ts [MEGABYTES]. In situ each part is counted where it lies, and 64 numbers travel;
 * with `insitu run --placement off` the parts travel to the tasks. The values stay in the store, so that the second run finds them.
 */
main(import.meta, async () => {
  const megabytes = Number(process.argv[2] ?? 12)
  if (!(megabytes > 0)) throw new Error('main.ts [MEGABYTES]: a number above 0')
  const parts = await partsOf(megabytes)
  let counts = parts.map((part) => histogramOf(part))
  while (counts.length > 1) counts = pairs(counts)
  draw(await counts[0]!)
})

/** The parts as handles: nothing of them is loaded here. */
async function partsOf(megabytes: number): Promise<readonly Values[]> {
  const names = await hosts()
  const alias = `histogram-${names.length}x${megabytes}`
  const { sites } = await found(alias, () => spread(alias, names, megabytes))
  await Promise.all(sites.map((site) => site.load()))
  return sites.flatMap((site) => site.parts)
}

async function found(alias: string, make: () => Promise<Dataset>): Promise<Dataset> {
  try {
    return await Dataset.getByAlias(alias)
  } catch (error) {
    if (error instanceof NotFoundError) return make()
    throw error
  }
}

async function spread(alias: string, names: readonly string[], megabytes: number): Promise<Dataset> {
  const length = Math.ceil((megabytes * 1e6) / BYTES_PER_NUMBER / PARTS)
  const first = (site: number): number => Math.floor((PARTS * site) / names.length)
  const sites = await Promise.all(names.map((host) => new Site().makePersistent(undefined, { host })))
  await Promise.all(sites.map((site, i) => fill(site, names[i]!, first(i + 1) - first(i), length, first(i))))
  for (const site of sites) await site.reload()
  const dataset = new Dataset()
  dataset.sites = sites
  return dataset.makePersistent(alias)
}

function pairs(counts: readonly Future<Uint32Array<ArrayBuffer>>[]): Future<Uint32Array<ArrayBuffer>>[] {
  const sums: Future<Uint32Array<ArrayBuffer>>[] = []
  for (let i = 0; i < counts.length; i += 2) sums.push(i + 1 < counts.length ? sumOf(counts[i]!, counts[i + 1]!) : counts[i]!)
  return sums
}

const ROWS = 16
const WIDTH = 50

function draw(counts: Uint32Array): void {
  const rows = Array.from({ length: ROWS }, (_, row) =>
    counts.slice((row * BINS) / ROWS, ((row + 1) * BINS) / ROWS).reduce((a, b) => a + b, 0),
  )
  const most = Math.max(...rows)
  for (const [row, count] of rows.entries())
    console.log(`${(row / ROWS).toFixed(2)}  ${String(count).padStart(9)}  ${'#'.repeat(Math.round((count / most) * WIDTH))}`)
}
