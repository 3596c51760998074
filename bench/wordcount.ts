/** The programs of examples/wordcount on generated text, as processes, beside the same count as a plain loop in one process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Bench, type Benchmark, type Contest, mustEqual, type Sample, withFolder } from './harness.js'
import { writeTexts } from './zipf.js'

const MB = 100
const WORKERS = '2'

/** The texts, and the store that holds them for those samples that only count. */
interface Data {
  readonly mb: number
  readonly texts: string
  readonly folder: string
  readonly expected: string
}

const programs = new URL('../examples/wordcount/', import.meta.url)

/** A program's output and the seconds it took from start to end. */
async function run(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly out: string; readonly seconds: number }> {
  const start = performance.now()
  const path = fileURLToPath(new URL(`./${name}.js`, programs))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const [out, errors, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  if (code !== 0) throw new Error(`${name} ended with code ${code}: ${errors}`)
  return { out, seconds: (performance.now() - start) / 1000 }
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** A store orders words otherwise than a Map. */
const sorted = (lines: string): string => lines.split('\n').sort().join('\n')

const at = (url: string, folder: string): NodeJS.ProcessEnv => ({ INSITU_STORAGE: url, INSITU_STATE: folder, INSITU_WORKERS: WORKERS })

const on = (folder: string): NodeJS.ProcessEnv => at(`nvram:${join(folder, 'store')}`, folder)

const plain =
  ({ mb, texts, expected }: Data): Sample =>
  async () => {
    const { out, seconds } = await run('sequential', [texts], {})
    mustEqual(sorted(out), expected, 'the counts of the plain loop')
    return mb / seconds
  }

type Consumer = 'consumer' | 'merging-consumer'

const count =
  ({ mb, folder, expected }: Data, consumer: Consumer): Sample =>
  async () => {
    const { out, seconds } = await run(consumer, ['texts', 'result'], on(folder))
    mustEqual(sorted(out), expected, 'the counts of insitu')
    return mb / seconds
  }

const storeAndCount = (data: Data): Sample => {
  const { mb, texts, expected } = data
  return () =>
    withFolder(async (folder) => {
      const stored = await run('producer', [texts, 'texts'], on(folder))
      const { out, seconds } = await run('consumer', ['texts', 'result'], on(folder))
      mustEqual(sorted(out), expected, 'the counts of insitu')
      return mb / (stored.seconds + seconds)
    })
}

async function dataIn(folder: string, mb: number): Promise<Data> {
  const texts = join(folder, 'texts')
  await mkdir(texts)
  await writeTexts(texts, mb)
  await run('producer', [texts, 'texts'], on(folder))
  const { out } = await run('sequential', [texts], {})
  return { mb, texts, folder, expected: sorted(out) }
}

async function contests(bench: Bench, data: Data): Promise<void> {
  const common: Omit<Contest, 'case' | 'ours'> = { unit: 'MB/s', better: 'higher', warmUp: false, rivals: { 'plain loop': plain(data) } }
  await bench.contest({ ...common, case: `count ${data.mb} MB that are stored, merged in a tree`, ours: count(data, 'merging-consumer') })
  await bench.contest({ ...common, case: `count ${data.mb} MB that are stored, each block into the result`, ours: count(data, 'consumer') })
  await bench.contest({ ...common, case: `store and count ${data.mb} MB`, ours: storeAndCount(data) })
}

/** The same in several stores, by name, the first beside the others: storing the texts, and counting them. */
export const inStores = (bench: Bench, urls: Readonly<Record<string, string>>): Promise<void> =>
  withFolder(async (folder) => {
    const mb = bench.options.mb ?? MB
    const data = await dataIn(folder, mb)
    const [first, ...others] = Object.keys(urls) as [string, ...string[]]
    for (const [title, sample] of Object.entries({ store: storeIn, count: countIn })) {
      const samples = Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, sample(data, at(url, folder))]))
      const rivals = Object.fromEntries(others.map((name) => [name, samples[name]!]))
      const common = { unit: 'MB/s', better: 'higher', warmUp: false } as const
      await bench.contest({ ...common, case: `words: ${title} ${mb} MB in ${first}`, ours: samples[first]!, rivals })
    }
  })

const storeIn = ({ mb, texts }: Data, env: NodeJS.ProcessEnv): Sample => {
  let isStored = false
  return async () => {
    if (isStored) await run('cleaner', ['texts'], env)
    isStored = true
    const { seconds } = await run('producer', [texts, 'texts'], env)
    return mb / seconds
  }
}

const countIn =
  ({ mb, expected }: Data, env: NodeJS.ProcessEnv): Sample =>
  async () => {
    const { out, seconds } = await run('merging-consumer', ['texts', 'result'], env)
    mustEqual(sorted(out), expected, 'the counts of insitu')
    return mb / seconds
  }

export const wordcount: Benchmark = {
  name: 'wordcount',
  about: 'the words of generated text through examples/wordcount, beside a plain loop',
  run: (bench) => withFolder(async (folder) => contests(bench, await dataIn(folder, bench.options.mb ?? MB))),
}
