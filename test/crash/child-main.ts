import { createInterface } from 'node:readline'
import { runChild } from './child.js'
import type { Order } from './protocol.js'

/** The order is the first line on stdin; the end of stdin means that the harness is gone. */
const orders = createInterface({ input: process.stdin })
orders.once('line', (line) => {
  void runChild(JSON.parse(line) as Order).then(() => process.exit(0), fail)
})
orders.once('close', () => process.exit(3))

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`, () => process.exit(1))
}
