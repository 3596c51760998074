/**
 * Fuzzes until its time is over: `node fuzz-child.js SEED FROM SECONDS POSITION-FILE [round] [flaw]`. A process of its own, which a reader
 * may hang or kill: what it is at stands in a file.
 */
import { openSync, writeSync } from 'node:fs'
import { FLAWS } from './flaws.js'
import { Fuzzer } from './fuzz.js'
import { TARGETS } from './targets.js'

// Ten thousand errors a second: their stacks cost more than the reading.
Error.stackTraceLimit = 4

const [seed = '0', from = '0', seconds = '1', path = '', only = '', flaw = ''] = process.argv.slice(2)
const position = openSync(path, 'w')
const at = Buffer.alloc(8)
const targets = flaw === '' ? TARGETS : { [flaw]: FLAWS[flaw]! }
const fuzzer = new Fuzzer(Number(seed), targets, (round, nth) => {
  at.writeUInt32LE(round, 0)
  at.writeUInt32LE(nth, 4)
  writeSync(position, at, 0, 8, 0)
})

if (only !== '') fuzzer.round(Number(only))
else {
  const endMs = performance.now() + Number(seconds) * 1000
  for (let round = Number(from); performance.now() < endMs; round++) fuzzer.round(round)
}
const { rounds, cases, refused, accepted, failures } = fuzzer
process.send?.({ rounds, cases, refused, accepted, failures }, () => process.disconnect())
