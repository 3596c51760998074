/** A program that opens a store and closes it when it is told to: `node close-child.js URL`. */
import { once } from 'node:events'
import { createBackend } from '../../backends/redis/index.js'

const backend = createBackend(process.argv[2]!)
await backend.open()
process.stdout.write('open\n')
await once(process.stdin, 'data')
process.stdin.destroy()
await backend.close()
process.stdout.write('closed\n')
