/** A random program as a program of its own, which kills itself where it is told to, and is made to go on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, main, type Store } from 'insitu'
import { isFirst } from '../conformance/is-first.js'
import { killOne, killsProgram } from './runtime-kill.js'
import type { Program } from './runtime-programs.js'
import { ProgramRun } from './runtime-run.js'

main(import.meta, async () => {
  const [folder, ...urls] = process.argv.slice(2)
  const program = JSON.parse(readFileSync(join(folder!, 'program.json'), 'utf8')) as Program
  const stores: Store[] = []
  for (const url of urls) stores.push(await connect(url))
  const kill = (which: number): void => {
    if (!killsProgram(which)) return killOne(which)
    if (isFirst(join(folder!, `life-${which}`))) process.kill(process.pid, 'SIGKILL')
  }
  await new ProgramRun(program, { isOff: false, folder: folder!, stores, alias: 'cell', kill }).check()
})
