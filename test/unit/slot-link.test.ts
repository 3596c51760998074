import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { node } from '../integration/processes.js'

describe('a worker on a host', () => {
  it('that is ended while its agent is frozen takes the agent along, and the program waits for that', async () => {
    const { code, stdout } = await node([fileURLToPath(new URL('./slot-link-child.js', import.meta.url))])
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'ended' })
  })
})
