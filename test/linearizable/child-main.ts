/** A program in a process of its own: `node child-main.js URL PLAN` prints its calls as JSON. */
import '../../examples/sqlite-backend/index.js'
import { connect } from '../../runtime/index.js'
import { type Plan, runProgram } from './program.js'

const [url = '', plan = ''] = process.argv.slice(2)
const { startAtMs, ...rest } = JSON.parse(plan) as Plan & { readonly startAtMs: number }
const store = await connect(url, { ack: 'committed' })
// All begin together, whatever each took to start.
await new Promise((resolve) => setTimeout(resolve, startAtMs - Date.now()))
const calls = await runProgram(store, rest)
await store.close()
process.stdout.write(JSON.stringify(calls))
