import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { root } from '../tools/test-files.js'
import { assertOk, node } from './processes.js'

const program = (name: string): string => join(root, `dist/examples/bank/${name}.js`)

describe('bank: tellers that share accounts in two stores', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-bank-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('the money stays the same with three at once, one of them killed', async () => {
    const stores = [`nvram:${folder}/a`, `nvram:${folder}/b`]
    const victim = spawn(process.execPath, [program('teller'), 'victim', '100000', ...stores], { stdio: 'ignore' })
    const tellers = ['anna', 'bert'].map((name) => node([program('teller'), name, '30', ...stores]))
    await delay(1200)
    victim.kill('SIGKILL')
    await once(victim, 'close')
    for (const teller of await Promise.all(tellers)) expect(assertOk(teller).stdout).to.match(/30 transfers/)
    expect(assertOk(await node([program('audit'), ...stores])).stdout).to.equal('10000 in 10 accounts of two stores\n')
  }).timeout(60_000)

  it('wrong usage ends with code 2', async () => {
    expect((await node([program('teller'), 'anna'])).code).to.equal(2)
  })
})
