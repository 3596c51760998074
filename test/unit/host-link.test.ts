import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Frames } from '../../runtime/data/frames.js'
import { node } from '../integration/processes.js'

describe('the way to an agent', () => {
  let folder: string
  let agent: Server

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-link-'))
  })
  afterEach(async () => {
    agent.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('keeps the program alive for an answer that was asked for while the way was being made', async () => {
    const path = join(folder, 'agent')
    agent = createServer((socket) => {
      const port = new Frames(socket).port(1)
      void delay(100).then(() => port.postMessage('answer'))
    })
    await new Promise<void>((listens) => agent.listen(path, listens))
    const { code, stdout } = await node([fileURLToPath(new URL('./host-link-child.js', import.meta.url)), path])
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'answer' })
  })
})
