/** When a table that somebody else makes may be used: a server shows a change of the schema a moment before it uses it. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { configOf } from '../../backends/cassandra/cassandra-config.js'
import { CassandraLink, type Row } from '../../backends/cassandra/cassandra-link.js'
import { SchemaKeeper } from '../../backends/cassandra/schema-keeper.js'

/** Servers that show a table at once, whose maker has the turn and is not heard of; they use it when they are told to. */
class SlowServers extends CassandraLink {
  isInUse = false

  constructor() {
    super(configOf('cassandra://127.0.0.1:1/shop'))
  }

  override async all(query: string): Promise<readonly Row[]> {
    const rows = query.includes('system_schema') ? [{ column_name: 'field2', type: 'int' }] : [{ holder: 'somebody else' }]
    return rows as readonly object[] as readonly Row[]
  }
  override async cas(): Promise<boolean> {
    return false
  }
  override async agreed(): Promise<void> {}
  override async knows(table: string, columns: readonly string[]): Promise<boolean> {
    expect([table, columns]).to.deep.equal(['profiles', ['field2']])
    return this.isInUse
  }
}

describe('cassandra: a table that another program makes', function () {
  this.timeout(60_000)

  it('is used when the servers use it, however long they have shown it, and whether or not its maker lives', async () => {
    const servers = new SlowServers()
    let isUsed = false
    const used = new SchemaKeeper(servers)
      .ensure({ table: 'profiles', create: '', columns: new Map([['field2', 'int static']]) })
      .then(() => {
        isUsed = true
      })
    await delay(3000)
    expect(isUsed).to.equal(false)
    servers.isInUse = true
    await used
  })
})
