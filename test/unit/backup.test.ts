/** Copies of a file in use: whole, of one moment, stores of their own once opened. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { fsck } from '../../backends/nvram/index.js'
import { NotOwnerError, UnavailableError, ValidationError } from '../../src/errors.js'
import { addOp, allOf, failure, newTable, newThing, putOp, send, stored } from './backend-spec.js'
import { foldersFor, on } from './nvram-folders.js'

const CHILD = fileURLToPath(new URL('./backend-nvram-child.js', import.meta.url))

const newFolder = foldersFor('backup')

describe('nvram: backup', () => {
  it('holds whole groups only, and all that were done before, while other processes write', async () => {
    const folder = newFolder()
    const children = [0, 1].map(() =>
      spawn(process.execPath, [CHILD, 'forever', `nvram:${folder}/store`], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    let said = ''
    for (const child of children) child.stdout.on('data', (chunk: Buffer) => (said += chunk))
    await on(join(folder, 'store'), async (backend) => {
      const table = await newTable(backend)
      const counting = { ref: newThing(), stop: false, done: 0 }
      const counted = (async () => {
        // The object and the counter go up together.
        let expected: Parameters<typeof putOp>[2] = 'absent'
        for (; !counting.stop; counting.done++)
          expected = (await send(backend, putOp(counting.ref, { n: counting.done + 1 }, expected), addOp(table, ['p', 1n], 1n))).stamps.get(
            counting.ref.id,
          )!
      })()
      while (said.length < 20_000) await new Promise((resolve) => setTimeout(resolve, 10))
      for (const name of ['one', 'two', 'three']) {
        const before = said
          .slice(0, said.lastIndexOf('\n'))
          .split('\n')
          .flatMap((line) => line.split(' '))
          .filter((id) => id.length === 36)
        const doneBefore = counting.done
        await backend.upkeep!.backup!(join(folder, name))
        await on(join(folder, name), async (copy) => {
          const kept = new Set<string>((await allOf(copy.objects({}))).map(({ id }) => id))
          for (const id of before) expect(kept.has(id), `${id} of ${name}`).to.equal(true)
          for (const one of await copy.read(await allOf(copy.objects({})))) {
            const other = one!.cells.get('other') as { id: string } | undefined
            if (other) expect(kept.has(other.id), 'the other half of its group').to.equal(true)
          }
          const n = (await stored(copy, counting.ref))!.cells.get('n') as number
          expect(n).to.be.at.least(doneBefore)
          expect((await copy.rows(table.id, [['p', 1n]]))[0]!.values[2]).to.equal(BigInt(n))
        })
      }
      counting.stop = true
      await counted
    })
    for (const child of children) {
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    for (const name of ['one', 'three']) {
      const findings: unknown[] = []
      const { damaged } = await fsck(`nvram:${join(folder, name)}`, { onFinding: (finding) => findings.push(finding) })
      expect(damaged, JSON.stringify(findings)).to.equal(0)
    }
  }).timeout(60_000)

  it('is opened beside the store it was made of, elsewhere, and on another machine, and lives on its own', async () => {
    const folder = newFolder()
    const at = (name: string): string => join(folder, name)
    const ref = newThing()
    await on(at('store'), async (backend) => {
      await send(backend, putOp(ref, { v: 1 }))
      await backend.upkeep!.backup!(at('backup'))
      cpSync(at('backup'), at('restored'), { recursive: true })
      cpSync(at('backup'), at('elsewhere'), { recursive: true })
      const { stamp } = (await stored(backend, ref))!
      await on(at('restored'), async (copy) => void (await send(copy, putOp(ref, { v: 2 }, stamp))))
      expect((await stored(backend, ref))!.cells.get('v')).to.equal(1)
    })
    const machine = process.env.INSITU_MACHINE_ID
    process.env.INSITU_MACHINE_ID = 'another'
    try {
      await on(at('elsewhere'), async (copy) => expect((await stored(copy, ref))!.cells.get('v')).to.equal(1))
    } finally {
      if (machine === undefined) delete process.env.INSITU_MACHINE_ID
      else process.env.INSITU_MACHINE_ID = machine
    }
    // Once opened it is a store like any other: it has an owner, and its copies are copies.
    await failure(NotOwnerError, () => on(at('elsewhere'), async () => {}))
    cpSync(at('restored'), at('copied'), { recursive: true })
    await failure(NotOwnerError, () => on(at('copied'), async () => {}))
    await on(at('restored'), async (copy) => expect((await stored(copy, ref))!.cells.get('v')).to.equal(2))
  })

  it('is for its user alone, goes over nothing, and leaves nothing when it fails', async () => {
    const folder = newFolder()
    await on(join(folder, 'store'), async ({ upkeep }) => {
      const to = join(folder, 'deep/er/backup')
      await upkeep!.backup!(to)
      expect(statSync(to).mode & 0o777).to.equal(0o700)
      expect(readdirSync(to)).to.deep.equal(['data.mdb'])
      expect(statSync(join(to, 'data.mdb')).mode & 0o777).to.equal(0o600)
      const error = await failure(ValidationError, () => upkeep!.backup!(to))
      expect(error.code).to.equal('ERR_BACKUP_FOLDER')
      mkdirSync(join(folder, 'empty'))
      await upkeep!.backup!(join(folder, 'empty'))
      writeFileSync(join(folder, 'a-file'), '')
      await failure(UnavailableError, () => upkeep!.backup!(join(folder, 'a-file/below')))
      expect(readdirSync(folder).sort()).to.deep.equal(['a-file', 'deep', 'empty', 'store'])
      expect((await failure(ValidationError, () => upkeep!.backup!(''))).code).to.equal('ERR_BACKUP_FOLDER')
    })
  })

  it('leaves what stands beside its folder alone, and of several at once into one folder one gets it', async () => {
    const folder = newFolder()
    await on(join(folder, 'store'), async (backend) => {
      const ref = newThing()
      await send(backend, putOp(ref, { v: 1 }))
      const to = join(folder, 'monday')
      mkdirSync(`${to}.half`)
      writeFileSync(join(`${to}.half`, 'mine'), '')
      const ended = await Promise.allSettled([1, 2, 3].map(() => backend.upkeep!.backup!(to)))
      const codes = ended.map((one) => (one.status === 'rejected' ? (one.reason as ValidationError).code : 'whole'))
      expect(codes.sort()).to.deep.equal(['ERR_BACKUP_FOLDER', 'ERR_BACKUP_FOLDER', 'whole'])
      expect(readdirSync(folder).sort()).to.deep.equal(['monday', 'monday.half', 'store'])
      expect(readdirSync(`${to}.half`)).to.deep.equal(['mine'])
      await on(to, async (copy) => expect((await stored(copy, ref))!.cells.get('v')).to.equal(1))
    })
  })
})
