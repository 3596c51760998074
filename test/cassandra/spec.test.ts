import { backendSpec, upkeepSpec } from '../unit/backend-spec.js'
import { Keyspace, siteFor } from './kit.js'

describe('the contract on cassandra', function () {
  this.timeout(60_000)
  let keyspace: Keyspace | undefined
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
  })
  after(async function () {
    this.timeout(120_000)
    await keyspace?.drop()
  })

  backendSpec('cassandra', () => keyspace!.open())
  upkeepSpec('cassandra', () => keyspace!.open())
})
