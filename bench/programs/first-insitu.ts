/** Connects to the store named by its argument and says when the first result of a task is there. */
import { writeSync } from 'node:fs'
import { connect, finish } from 'insitu'
import { echoTask } from '../bodies/echo-task.js'

await connect(process.argv[2])
writeSync(1, String(await echoTask(42)))
await finish()
