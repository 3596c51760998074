import assert from 'node:assert/strict'
import { dropKeyspace, makeKeyspace } from '../../backends/cassandra/index.js'
import { crash } from '../crash/crash-harness.js'
import { partOf } from '../crash/part-of.js'
import { Keyspace, siteFor } from './kit.js'

const KILLS = 50
/** A step takes several rounds of a compare-and-set. */
const PACE = 4
/** On a machine that has much else to do. */
const ACKNOWLEDGED_MIN = KILLS / 2
/** The stores of the bank. */
const PARTS = ['bank-a', 'bank-b']

describe('cassandra: crash', function () {
  this.timeout(900_000)
  let keyspace: Keyspace | undefined
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
    for (const part of PARTS) await makeKeyspace(partOf(keyspace.url, part), 1)
  })
  after(async function () {
    this.timeout(120_000)
    if (!keyspace) return
    for (const part of PARTS) await dropKeyspace(partOf(keyspace.url, part))
    await keyspace.drop()
  })

  it(`${KILLS} kills of programs lose, tear and double nothing`, async () => {
    const lines: string[] = []
    // A program that sends groups of several objects to the backend itself has nobody to carry them over partitions.
    const kinds = ['objects', 'tasks', 'bank'] as const
    const totals = await crash({ url: keyspace!.url, kills: KILLS, seed: KILLS, kinds, pace: PACE, onLife: (line) => lines.push(line) })
    const { kills, lost, torn, doubled } = totals
    assert.deepEqual({ kills, lost, torn, doubled }, { kills: KILLS, lost: 0, torn: 0, doubled: 0 }, lines.join('\n'))
    assert.ok(totals.acknowledged > ACKNOWLEDGED_MIN, `only ${totals.acknowledged} steps were acknowledged: nothing was tested`)
  })
})
