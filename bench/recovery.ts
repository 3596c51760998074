/** What the loss of a process costs a run: how much longer it takes when a worker, or a host's agent, is killed in its midst. */
import { join } from 'node:path'
import { ChildProgram } from './child-program.js'
import { type Bench, type Benchmark, mustEqual, withFolder } from './harness.js'

const LOAD = new URL('./programs/recovery-load.js', import.meta.url)

const KINDS = {
  'a worker process is killed': ['process', {}],
  'the agent of a logical host is killed': ['hosts', { INSITU_HOSTS: '2' }],
} as const

async function timed(program: ChildProgram, how: 'plain' | 'kill'): Promise<number> {
  const { ms, counted, asked, lost } = await program.ask(how)
  mustEqual(counted, asked, `what ${asked} tasks have counted`)
  if (how === 'kill' && lost === 0) throw new Error('the kill met no task: nothing was measured')
  return ms!
}

/** A plain run and one with a kill in turns: the difference of the two is the figure. */
async function contest(bench: Bench, title: string, kind: string, env: NodeJS.ProcessEnv): Promise<void> {
  await withFolder(async (folder) => {
    await using program = new ChildProgram(LOAD, [`nvram:${join(folder, 'store')}`, kind], { ...env, INSITU_STATE: folder })
    await timed(program, 'plain')
    await bench.contest({
      case: `time added when ${title}`,
      unit: 'ms',
      better: 'lower',
      ours: async () => {
        const plain = await timed(program, 'plain')
        return (await timed(program, 'kill')) - plain
      },
      rivals: {},
    })
  })
}

export const recovery: Benchmark = {
  name: 'recovery',
  about: 'milliseconds that a run takes longer when a worker or an agent is killed (SIGKILL) in its midst',
  async run(bench) {
    for (const [title, [kind, env]] of Object.entries(KINDS)) await contest(bench, title, kind, env)
  },
}
