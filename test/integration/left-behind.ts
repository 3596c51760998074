/** A program whose task leaves a process behind that holds the pipes of its worker, and of the agent. */
import { spawn } from 'node:child_process'
import { connect, finish, init, main, task } from '../../runtime/index.js'

export const leave = task((): number => {
  const left = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20_000)'], { detached: true, stdio: ['ignore', 'ignore', 2, 3] })
  left.unref()
  return left.pid!
})

main(import.meta, async () => {
  await connect(process.argv[2])
  await init({ workers: 1 })
  const pid = await leave()
  await finish()
  process.kill(pid)
  process.stdout.write('ended')
})
