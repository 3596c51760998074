/** A program in a process of its own: `node child-main.js URL PLAN` prints its calls as JSON. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import '../../examples/sqlite-backend/index.js'
import { connect } from '../../runtime/index.js'
import { type Plan, runProgram } from './program.js'

const [url = '', plan = ''] = process.argv.slice(2)
const { meetIn, programs, ...rest } = JSON.parse(plan) as Plan & { readonly meetIn: string; readonly programs: number }
const store = await connect(url, { ack: 'committed' })
// All begin together, whatever each took to start.
writeFileSync(join(meetIn, String(rest.program)), '')
while (readdirSync(meetIn).length < programs) await delay(1)
const calls = await runProgram(store, rest)
await store.close()
process.stdout.write(JSON.stringify(calls))
