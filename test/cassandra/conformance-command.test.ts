import type { Client } from 'cassandra-driver'
import { expect } from 'chai'
import { node } from '../integration/processes.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { root } from '../tools/test-files.js'
import { Keyspace, rawClient, siteFor } from './kit.js'

describe('npm run conformance on a Cassandra node', function () {
  this.timeout(180_000)
  let site: CassandraSite
  let keyspace: Keyspace
  let raw: Client
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    raw = await rawClient(site)
  })
  after(async () => {
    await raw?.shutdown()
    await keyspace?.drop()
  })

  const stored = async (): Promise<readonly string[]> => {
    const { rows } = await raw.execute('SELECT keyspace_name, table_name FROM system_schema.tables')
    return rows.map((row) => `${String(row['keyspace_name'])}.${String(row['table_name'])}`).sort()
  }

  it('works in a keyspace of its own, which is gone at the end, and touches nothing else', async () => {
    await raw.execute(`CREATE TABLE ${keyspace.name}.others (k int PRIMARY KEY)`)
    const before = await stored()
    const { code, stdout } = await node([`${root}dist/test/conformance/run.js`, keyspace.url, '--json', '--only', 'C5 '])
    expect(code).to.equal(0)
    const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as { passed: number; failed: number }
    expect(last).to.deep.include({ passed: 1, failed: 0 })
    expect(await stored()).to.deep.equal(before)
  })
})
