/** A histogram of values that lie on two logical hosts: counted where they lie, beside the same tasks fetching them over a link. */
import { join } from 'node:path'
import { ChildProgram } from './child-program.js'
import { type Bench, type Benchmark, mustEqual, type Sample, withFolder } from './harness.js'
import { LinkProxy } from './link-proxy.js'

const PROGRAM = new URL('./programs/histogram-hosts.js', import.meta.url)
const MB = 100
const HOSTS = 2
const GIGABIT_BYTES = 125_000_000

interface Expected {
  readonly values: number
  readonly print: number
}

const sampleOf =
  (program: ChildProgram, expected: Expected, isMoving: boolean): Sample =>
  async () => {
    const { ms, values, print, bytesMoved } = await program.ask('once')
    mustEqual(values, expected.values, 'the values that were counted')
    mustEqual(print, expected.print, 'the histogram')
    if (isMoving !== bytesMoved! > values! * 7) throw new Error(`${bytesMoved} bytes moved`)
    return ms!
  }

async function contests(bench: Bench, folder: string, mb: number): Promise<void> {
  await using proxy = await LinkProxy.start(GIGABIT_BYTES)
  const start = (env: NodeJS.ProcessEnv): ChildProgram =>
    new ChildProgram(PROGRAM, [`nvram:${join(folder, 'store')}`, String(mb)], {
      INSITU_HOSTS: String(HOSTS),
      INSITU_WORKERS: String(HOSTS),
      INSITU_STATE: folder,
      ...env,
    })
  await using inSitu = start({ INSITU_HOST_PROXY: proxy.address, INSITU_WORKERS: '1' })
  const { values, print } = await inSitu.ask('once')
  const expected: Expected = { values: values!, print: print! }
  mustEqual(expected.values >= (mb * 1e6) / 8, true, 'whether all values were counted')
  await using overLink = start({ INSITU_PLACEMENT: 'off', INSITU_HOST_PROXY: proxy.address })
  await using overLoopback = start({ INSITU_PLACEMENT: 'off' })
  const contest = { unit: 'ms', better: 'lower', ours: sampleOf(inSitu, expected, false) } as const
  const at = `${mb} MB on ${HOSTS} hosts`
  await bench.contest({ ...contest, case: `${at}, 1 Gbit/s between them`, rivals: { fetching: sampleOf(overLink, expected, true) } })
  await bench.contest({
    ...contest,
    case: `${at}, bare loopback between them`,
    rivals: { fetching: sampleOf(overLoopback, expected, true) },
  })
}

export const histogram: Benchmark = {
  name: 'histogram',
  about: 'values on two logical hosts counted where they lie, beside fetching them over 1 Gbit/s and over bare loopback',
  run: (bench) => withFolder((folder) => contests(bench, folder, bench.options.mb ?? MB)),
}
