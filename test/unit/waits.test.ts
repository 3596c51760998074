/** How long a store may be told to wait: a group that is sent again after its receipt is gone would be applied twice. */
import { expect } from 'chai'
import { createBackend as createCassandra } from '../../backends/cassandra/index.js'
import { createBackend as createMemory } from '../../backends/memory/index.js'
import { createBackend as createRedis } from '../../backends/redis/index.js'
import { connect, UnavailableError, UnsupportedError, ValidationError } from '../../runtime/index.js'

describe('waits', () => {
  for (const name of ['patienceMs', 'leaseMs'] as const)
    it(`refuses a ${name} beyond half of what receipts are kept, and none at all`, async () => {
      for (const ms of [1_800_001, Number.POSITIVE_INFINITY, Number.NaN, -1]) {
        const error = await connect('memory:', { [name]: ms }).then(
          () => undefined,
          (why: unknown) => why,
        )
        expect(error, String(ms)).to.be.instanceOf(ValidationError)
        expect((error as Error).message).to.match(new RegExp(`^${name} is from 0 to 1800000 ms`))
      }
      const store = await connect('memory:', { [name]: 1_800_000 })
      await store.close()
    })

  it('leaves nothing open where it refuses: the backend is closed', async () => {
    const backend = createMemory('memory:waits')
    await connect(backend, { patienceMs: -1 }).catch(() => {})
    const error = await backend.read([]).then(
      () => undefined,
      (why: unknown) => why,
    )
    expect(error).to.be.instanceOf(UnavailableError)
  })

  it('refuses such a patience in urls too', () => {
    const message = /patienceMs is at most 300000, not 300001/
    expect(() => createRedis('redis://127.0.0.1:1/?patienceMs=300001')).to.throw(UnsupportedError, message)
    expect(() => createCassandra('cassandra://127.0.0.1:1/k?patienceMs=300001')).to.throw(UnsupportedError, message)
  })
})
