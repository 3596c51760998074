/** A store over the files of several hosts, put together from stores in memory. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { HostsBackend } from '../../runtime/hosts/hosts-backend.js'
import type { Ack, Backend } from '../../src/backend.js'

describe('a store over several hosts', () => {
  it('has flushed when every file and the catalogue have: tasks of all hosts commit for the program', async () => {
    const flushed: string[] = []
    const fileOf = (name: string): Backend =>
      Object.assign(createBackend('memory:?private'), {
        flush: async (ack: Ack) => {
          await delay(5)
          flushed.push(`${name} ${ack}`)
        },
      })
    const whole = new HostsBackend({
      url: 'nvram:folder',
      files: [fileOf('host-1'), fileOf('host-2')],
      catalogue: fileOf('catalogue'),
      haveAgents: false,
    })
    const [ack] = whole.capabilities.acks
    await whole.flush(ack!)
    expect(flushed.sort()).to.deep.equal([`catalogue ${ack}`, `host-1 ${ack}`, `host-2 ${ack}`])
  })
})
